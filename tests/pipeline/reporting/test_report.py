"""The report: what it says, that it is safe and stands alone, and that its bytes are the same again."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from artifacts_made import mine_metrics, write_artifacts, write_mined
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.console.errors import ArtifactError
from pipeline.ground.languages import LanguagePair
from pipeline.reporting import facts
from pipeline.reporting.costs import read_costs
from pipeline.reporting.inputs import (
    PairSample,
    ReportInputs,
    Series,
    make_histogram,
    read_metrics,
    read_mined,
    read_series,
)
from pipeline.reporting.plots import COLOURS, dev_accuracy, score_histogram, scores_by_pair, training_loss
from pipeline.reporting.render import HISTOGRAMS, render
from pipeline.reporting.verdict import headlines, verdict

VOID = {"meta", "br", "use", "path"}


def read(root: Path, **changes: Any) -> ReportInputs:
    metrics = root / "metrics"
    inputs = ReportInputs(
        title="a title",
        pairs=[LanguagePair("en", "fr")],
        params={"seed": 7, "teacher": {"model": "tiny", "revision": None}, "train": {"loss": [{"name": "soft"}]}},
        prepare=read_metrics(metrics / "prepare.json"),
        train=read_metrics(metrics / "train.json"),
        evaluate=read_metrics(metrics / "evaluate.json") | read_metrics(metrics / "heldout.json"),
        series=read_series(root / "plots" / "train"),
        mined=[read_mined("en-fr", root / "data/mined/en-fr.parquet", read_metrics(metrics / "mine/en-fr.json"), 2)],
    )
    return replace(inputs, **changes)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifacts(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return render(read(root))


class Checker(HTMLParser):
    """Elements must nest, ids must be unique."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in {"src", "href", "xlink:href", "action", "data"}:
                self.links.append(str(value))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def check(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    return checker


def test_the_page_is_well_formed_and_stands_alone(page: str):
    checker = check(page)
    assert not checker.tags & {"script", "link", "img", "iframe", "object", "form"}
    assert all(link.startswith("#") and link[1:] in checker.ids for link in checker.links)
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/)", page)
    assert "default-src 'none'" in page


def test_the_same_inputs_give_the_same_bytes(root: Path, page: str):
    assert render(read(root)) == page
    assert not re.search(r"20\d\d-\d\d-\d\d", page)


def test_nothing_of_the_machine_is_in_the_page_but_the_cost(root: Path, page: str):
    assert str(root) not in page
    assert 'id="cost"' not in page
    costed = render(read(root, costs=read_costs(root / "data" / "cost")))
    check(costed)
    section = re.search(r'<section id="cost">.*?</section>\n', costed, re.DOTALL)
    assert section is not None
    assert re.sub(r"\n+", "\n", costed.replace(section[0], "")) == re.sub(r"\n+", "\n", page)
    assert [re.sub("<.*?>", " ", row).split()[:3] for row in section[0].split("<tr>")[2:]] == [
        ["prepare", "1.5", "100"],
        ["train", "12.2", "457"],
        ["mine-en-fr", "0.5", "90"],
    ]


def test_verdict_stands_first_and_says_the_numbers(page: str):
    assert page.index('class="verdict"') < page.index("<h2>")
    for part in ("95.0\xa0%", "85.0\xa0%", "90.0–97.0", "25.0\xa0%", "1.0000"):
        assert part in page


def test_verdict_names_the_best_and_the_worst():
    def scores(accuracy: float) -> dict[str, Any]:
        return {"accuracy": accuracy, "candidates": 1000}

    evaluate = {
        "retrieval": {"mean": 0.9, "pairs": {"en-fr": scores(0.85), "en-ko": scores(0.95), "en-ja": scores(0.9)}},
        "mining": {"mean_f1": 0.8, "pairs": {"en-ko": {"precision": 0.7, "recall": 0.9, "f1": 0.8}}},
    }
    inputs = ReportInputs("t", [], {"seed": 0}, {}, {}, evaluate)
    said = verdict(inputs)
    assert said[0].startswith("For 90.0\xa0% of the held-out test sentences")
    assert "mean of 3 language pairs, both directions, among 1,000 candidates" in said[0]
    assert said[-1] == "Best is en-ko (95.0\xa0%, F1 80.0\xa0%); worst is en-fr (85.0\xa0%)."
    assert [headline.value for headline in headlines(inputs)] == ["90.0\xa0%", "80.0\xa0%"]


def test_without_heldout_documents_sections_are_left_out_with_the_reason(root: Path, tmp_path: Path):
    write_mined(tmp_path / "own.parquet", threshold=None, own=True)
    metrics = {"threshold": None, "mined": {"set": "mine", "pairs": 8, "accepted": 8}}
    mined = read_mined("en-fr", tmp_path / "own.parquet", metrics, 2)
    assert mined.threshold is None
    assert {kind: [sample.score for sample in found] for kind, found in mined.samples.items()} == {
        "best": [1.625, 1.5],
        "worst": [0.875, 0.75],
    }
    train = {"best_step": 30, "dev_accuracy": None, "neighborhood_coverage": 0.5, "steps": 30}
    nothing = {"retrieval": {"pairs": {}}, "mining": {"pairs": {}}}
    page = render(read(root, evaluate=nothing, train=train, mined=[mined], series=[]))
    check(page)
    assert "Nothing could be measured: no document is held out" in page
    assert "No scores: no document is held out" in page
    assert "There is no threshold" in page
    assert "without dev documents the last step" in page
    assert "8 of 8 candidates accepted, from your own text" in page
    assert "Known: the pair" not in page


def test_nothing_at_all_is_still_a_page(root: Path):
    page = render(read(root, evaluate={}, series=[], mined=[], prepare={}))
    check(page)
    assert "Nothing was mined." in page


def test_text_is_escaped_and_cannot_steer(root: Path, tmp_path: Path):
    write_mined(tmp_path / "evil.parquet", text="<script>alert(1)</script>\x1b\u202e&{{ 7*7 }}")
    mined = read_mined("en-fr", tmp_path / "evil.parquet", mine_metrics(), 2)
    page = render(read(root, title="</title><script>", mined=[mined]))
    assert "script" not in check(page).tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b\\u202e&amp;{{ 7*7 }} a0" in page


def test_samples_are_the_ends_of_what_was_accepted_and_rejected(root: Path):
    (mined,) = read(root).mined
    scores = {kind: [sample.score for sample in samples] for kind, samples in mined.samples.items()}
    assert scores == {
        "best": [1.625, 1.5],
        "last accepted": [1.125, 1.0],
        "first rejected": [0.875, 0.75],
        "accepted, but not the known translation": [1.5],
    }
    assert mined.samples["best"][0] == PairSample(
        1.625, True, "text a0", "text b0", "mine · file.a:1", "mine · file.b:1"
    )


def test_histogram_counts_by_hand():
    histogram = make_histogram(np.array([0.0, 1.0, 1.0, 2.0, 4.0]), np.array([False, True, False, True, True]), 1.0)
    assert histogram is not None
    assert (sum(histogram.true), sum(histogram.false)) == (3, 2)
    place = min(range(len(histogram.edges)), key=lambda edge: abs(histogram.edges[edge] - 1.0))
    assert histogram.edges[place] == pytest.approx(1.0, abs=1e-12)
    assert (sum(histogram.true[:place]), sum(histogram.false[:place])) == (0, 1)
    assert histogram.judged


def test_histogram_without_gold_or_candidates():
    assert make_histogram(np.array([]), None, 1.0) is None
    assert make_histogram(np.array([np.inf, np.nan]), None, None) is None
    unjudged = make_histogram(np.array([1.0, 1.0]), None, None)
    assert unjudged is not None
    assert (sum(unjudged.false), unjudged.judged) == (2, False)


@given(
    arrays(np.float32, st.integers(1, 60), elements=st.floats(-4, 4, width=32)),
    st.one_of(st.none(), st.floats(-5, 5)),
)
def test_histogram_loses_no_candidate(scores: np.ndarray, threshold: float | None):
    histogram = make_histogram(scores, scores > 0, threshold)
    assert histogram is not None
    assert sum(histogram.true) == int((scores > 0).sum())
    assert sum(histogram.true) + sum(histogram.false) == len(scores)
    assert list(histogram.edges) == sorted(histogram.edges)


def test_plots_take_the_page_s_colours_and_keep_text():
    series = Series("loss", (10, 20), (3.0, 1.5))
    histogram = make_histogram(np.linspace(0, 1, 20), np.arange(20) > 9, 0.5)
    assert histogram is not None
    scores = {"en-fr": {"accuracy": 0.9, "low": 0.8, "high": 0.95}}
    for svg in (
        training_loss(series),
        dev_accuracy(series, [series], 20),
        scores_by_pair([("en-fr", scores["en-fr"], {}, {})]),
        score_histogram("en-fr", histogram, 0.5),
    ):
        assert not set(COLOURS) & set(re.findall(r"#[0-9a-f]{6}", svg))
        assert "currentColor" in svg
        assert "<text" in svg
        assert "font-family" not in svg
        assert "<style" not in svg
        check(svg)


def test_many_pairs_have_few_histograms(root: Path):
    names = ["aa", "bb", "cc", "dd", "ee", "ff"]
    pairs = [LanguagePair(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    (mined,) = read(root).mined
    page = render(read(root, pairs=pairs, mined=[replace(mined, pair=pair.name) for pair in pairs]))
    check(page)
    assert page.count("scores of test candidates</figcaption>") == HISTOGRAMS
    assert f"Histograms of the {len(pairs) - HISTOGRAMS} language pairs" in page


def test_account_of_the_text(root: Path):
    inputs = read(root)
    (corpus,) = facts.corpus_rows(inputs)
    assert (corpus.name, corpus.counts, corpus.kept_share) == ("mine", ("100", "60", "30", "10"), "90.0\xa0%")
    assert facts.rejection_rows(inputs) == [("copy", "7", "7.0\xa0%", 1.0), ("too-short", "3", "3.0\xa0%", 3 / 7)]
    assert (
        facts.rejection_rows(read(root, prepare={"corpora": {"x": {"read": 10_000, "rejected": {"copy": 1}}}}))[0][2]
        == "<\xa00.1\xa0%"
    )
    assert facts.text_rows(inputs) == [("en-fr", "60", "15", "15")]
    assert facts.sentence_rows(inputs) == [("en", "60", "30"), ("fr", "60", "30")]


def test_benchmarks_kept_out_of_training_are_listed_with_examples(root: Path):
    example = {"file": "train.tsv", "line": 7, "a": "planted <b>", "b": "plantée"}
    corpus = {"read": 10, "kept": 7, "heldout": 0, "rejected": {"benchmark": 1, "heldout-seen": 2}}
    benchmarks = {"tatoeba": {"sentences": 1000, "removed": 1, "examples": [example]}}
    page = render(read(root, prepare={"corpora": {"x": corpus}, "benchmarks": benchmarks}))
    check(page)
    assert "planted &lt;b&gt;" in page
    assert "train.tsv:7" in page
    assert "(heldout-seen), 2 of them" in page
    assert "No benchmark was named" in render(read(root))


def test_what_prepare_and_train_have_to_say_stands_in_the_report(root: Path):
    inputs = read(root, prepare={"corpora": {}, "notes": ["c: en-fr: nothing <is> kept"]})
    assert facts.text_notes(replace(inputs, train={"notes": ["en-fr: at chance"]})) == [
        "c: en-fr: nothing <is> kept",
        "en-fr: at chance",
    ]
    page = render(inputs)
    check(page)
    assert "<li>c: en-fr: nothing &lt;is&gt; kept</li>" in page
    assert "To look at" not in render(read(root))


NEAR = {"near": "digits", "left_out": {}, "candidates": {"en-fr": 50}}
NEAR_COPIES: dict[str, tuple[dict[str, Any] | None, str, str]] = {
    "not known": (None, "stands in the training text as it is", "Near copies"),
    "not looked for": ({**NEAR, "near": 0}, "Near copies of held-out sentences may stand there", "in numbers only"),
    "none": (
        NEAR,
        "No held-out pair had a side that differs from a sentence there in numbers only. Other",
        "without them",
    ),
    "some": ({**NEAR, "left_out": {"en-fr": 3}}, "3 of 50 held-out pairs had a side that differs", "Nothing could"),
    "by similarity": ({**NEAR, "near": 0.85}, "or has a similarity of 0.85 or more to one.", "Other near copies"),
    "most": ({**NEAR, "left_out": {"en-fr": 49}}, "49 of 50 held-out pairs have a near copy in the", "Nothing could"),
}


@pytest.mark.parametrize("name", NEAR_COPIES)
def test_near_copies_across_the_split_are_told(root: Path, name: str):
    found, said, not_said = NEAR_COPIES[name]
    page = render(read(root, prepare={} if found is None else {"heldout_near": found}))
    check(page)
    assert said in page
    assert not_said not in page


def test_where_near_copies_leave_nothing_to_measure_on_that_is_the_reason(root: Path):
    prepared = {"heldout_near": {**NEAR, "left_out": {"en-fr": 50}}}
    page = render(read(root, prepare=prepared, evaluate={"retrieval": {"pairs": {}}, "mining": {"pairs": {}}}))
    assert "Nothing could be measured: 50 of 50 held-out pairs have a near copy" in page
    assert "No scores: 50 of 50" in page
    assert "no document is held out" not in page


def test_what_made_it_names_versions_models_and_parameters(root: Path):
    groups = dict(facts.maker_groups(read(root)))
    assert dict(groups["versions"]).keys() == {"softalign", "torch"}
    assert groups["teacher"] == [("model", "tiny")]
    assert groups["the trained encoder"] == [("dimension", "4"), ("model", "tiny")]
    assert groups["training"] == [("loss.name", "soft"), ("seed", "7")]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [("x.json", None, "missing"), ("x.json", "{", "not JSON"), ("x.json", "[]", "found list, expected an object")],
)
def test_bad_metrics(tmp_path: Path, name: str, content: str | None, problem: str):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ArtifactError, match=problem):
        read_metrics(tmp_path / name)


def test_bad_mined_pairs_and_series(tmp_path: Path):
    with pytest.raises(ArtifactError, match=r"a\.parquet: missing"):
        read_mined("en-fr", tmp_path / "a.parquet", {}, 2)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match="not a readable Parquet file"):
        read_mined("en-fr", tmp_path / "a.parquet", {}, 2)
    series = tmp_path / "plots" / "metrics" / "loss.tsv"
    series.parent.mkdir(parents=True)
    series.write_text("step\tloss\n1\tmany\n")
    with pytest.raises(ArtifactError, match="not a series"):
        read_series(tmp_path)
