import json
from dataclasses import replace
from pathlib import Path

import pytest
from artifacts_made import write_artifacts
from huggingface_hub import ModelCard

from pipeline.config.params import Params, check_params
from pipeline.console.errors import ArtifactError
from pipeline.exporting.card import Card, render_card
from pipeline.exporting.known import KnownOrigin, read_known
from pipeline.exporting.scores import score_tables

IDENTITY = {
    "dimension": 16, "prefix": "", "max_length": 64, "pooling": "mean", "content": "abc", "torch": "2.13.0",
    "transformers": "5.23.0",
}  # fmt: skip
GRAPH = {"sentences": 9, "lowest_cosine": 0.98, "mean_cosine": 0.99, "same_nearest": 1.0, "bytes": 1234}


def _params(**sections: object) -> Params:
    corpora = [
        {"name": "mine", "format": "moses", "path": "secret/place/{lang}", "licence": "MPL-2.0"},
        {"name": "hub", "format": "huggingface", "dataset": "Helsinki-NLP/opus-100", "licence": "CC-BY | more"},
    ]
    return check_params(
        {
            "languages": ["en", "fr", "zh-Hant"],
            "pairs": ["en-fr", "en-zh-Hant"],
            "prepare": {"corpora": corpora},
            "teacher": {"model": "/secret/place/teacher"},
            **sections,
        }
    )


def _card(static: bool = False, **options: object) -> Card:
    return Card("user/student", IDENTITY, static, **options)  # type: ignore[arg-type]


@pytest.fixture
def known(tmp_path: Path) -> KnownOrigin:
    root = write_artifacts(tmp_path)
    return read_known(
        _params(student={"kind": "pretrained", "model": "intfloat/multilingual-e5-base"}), root / "metrics"
    )


def test_the_hub_understands_its_head(known: KnownOrigin):
    head = ModelCard(render_card(_card(licence="Apache-2.0", graphs={"onnx/model.onnx": GRAPH}), known)).data.to_dict()
    assert head["language"] == ["en", "fr", "zh"]
    assert head["license"] == "apache-2.0"
    assert head["library_name"] == "sentence-transformers"
    assert head["pipeline_tag"] == "sentence-similarity"
    assert head["base_model"] == "intfloat/multilingual-e5-base"
    assert head["datasets"] == ["Helsinki-NLP/opus-100"]
    assert {"onnx", "sentence-similarity", "softalign"} <= set(head["tags"])


def test_what_it_says(known: KnownOrigin):
    page = render_card(_card(), known)
    assert "| mine | – | MPL-2.0 | 100 | 60 | 30 |" in page
    assert "| hub | Helsinki-NLP/opus-100 | CC-BY \\| more | – | – | – |" in page
    assert "| en-fr | 60 | 30 |" in page
    assert "| en-fr | 0.9500 | 0.9400 | 0.9600 | 15 | 0.9000 | 0.9700 |" in page
    assert "Teacher: teacher;" in page
    assert "τ of the teacher 0.1, of the student 0.1" in page
    assert "No licence was given" in page
    assert "No benchmark's sentences were kept out of training" in page
    assert 'SentenceTransformer("user/student")' in page
    assert "secret" not in page
    assert "onnx" not in page


def test_near_copies_across_the_split_are_told(known: KnownOrigin):
    near = {"near": 0.8, "left_out": {"en-fr": 3}, "candidates": {"en-fr": 50}}
    told = replace(known, metrics={**known.metrics, "prepare": {**known.of("prepare"), "heldout_near": near}})
    assert "training never saw. 3 of 50 held-out pairs had a side that differs" in render_card(_card(), told)


def test_a_folders_student_and_what_was_kept_out(known: KnownOrigin):
    params = _params(student={"kind": "pretrained", "model": "/secret/place/base"})
    metrics = {
        "prepare": {
            **known.of("prepare"),
            "benchmarks": {"tatoeba": {"sentences": 1000, "removed": 12, "examples": []}},
        },
        "tokenize": {"monolingual": {"fr": {"unknown_share": 0.25}, "en": {"unknown_share": 0.0}}},
    }
    page = render_card(_card(static=True, licence="mit"), KnownOrigin(params, metrics))
    assert "base_model" not in page
    assert "from base," in page
    assert "secret" not in page
    assert "Benchmark tatoeba: 12 training pairs were left out" in page
    assert "25.0 % of the tokens of fr are unknown" in page
    assert "None were measured." in page
    assert "word order makes no difference" in page
    assert "No licence was given" not in page


def test_of_a_model_of_which_nothing_is_known():
    page = render_card(_card(), None)
    assert "knows nothing of how it was trained" in page
    assert ModelCard(page).data.to_dict()["license"] == "unknown"
    for heading in ("## Data", "## Method", "## Scores"):
        assert heading not in page


def test_pure(known: KnownOrigin):
    assert render_card(_card(), known) == render_card(_card(), known)


def test_a_damaged_metrics_file(tmp_path: Path):
    (tmp_path / "evaluate.json").write_text("[1]")
    with pytest.raises(ArtifactError, match=r"evaluate.json: found list, expected an object of metrics"):
        read_known(_params(), tmp_path)
    (tmp_path / "evaluate.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"evaluate.json: not JSON"):
        read_known(_params(), tmp_path)


def test_metrics_of_any_nesting_lose_nothing():
    metrics = {
        "benchmarks": {
            "tatoeba": {
                "student": {"en-fr": {"accuracy": 0.5, "seen": 3}, "en-ja": {"accuracy": 0.25, "clean": None}},
                "sentences": 1000,
            },
            "sts": {"student": {"spearman": 0.7654321}},
        },
        "note": "all",
    }
    tables = list(score_tables(metrics))
    shown = json.dumps([(table.title, table.columns, table.rows, table.facts) for table in tables])
    for part in ("tatoeba", "sts", "en-fr", "en-ja", "0.5000", "0.2500", "1,000", "0.7654", "all", "seen", "clean"):
        assert part in shown
    (wide,) = (table for table in tables if table.title == "benchmarks · tatoeba · student")
    assert wide.columns == ("", "accuracy", "seen", "clean")
    assert wide.rows == (("en-fr", "0.5000", "3", "–"), ("en-ja", "0.2500", "–", "–"))
