"""What lies in a project from before is told from what belongs to it, by every command that lists, and can be cleared."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from artifacts_made import write_artifacts
from typer.testing import CliRunner

from pipeline.config.params import check_params
from softalign.app import app
from stages.running.layout import Layout
from stages.running.leftovers import LeftOvers, in_words

PARAMS: dict[str, Any] = {
    "languages": ["en", "fr", "ko"],
    "pairs": ["en-fr"],
    "prepare": {
        "corpora": [{"name": "mine", "format": "moses", "path": "text.{lang}"}],
        "text": [{"name": "news", "language": "ja", "path": "news.txt"}],
    },
    "teacher": {"model": "hub/name"},
    "labels": {"strategy": "average"},
    "evaluate": {
        "benchmarks": [{"name": "tatoeba", "kind": "tatoeba", "path": "tatoeba"}],
        "peers": [{"name": "base", "model": "hub/name"}],
    },
}

BEFORE = {
    **{f"data/{kind}/ko/00000.arrow": "language ko" for kind in ("sentences", "teacher", "embeddings", "monolingual")},
    **{f"data/tokens/{kind}/ko/00000.arrow": "language ko" for kind in ("teacher", "student", "monolingual")},
    **{f"data/{kind}/fr-en/00000.arrow": "pair fr-en" for kind in ("pairs", "heldout", "neighborhoods")},
    "data/sentences/zh-Hant/00000.arrow": "language zh-Hant",
    "data/pairs/en-zh-Hant/00000.arrow": "pair en-zh-Hant",
    "data/mined/fr-en.parquet": "pair fr-en",
    "metrics/mine/fr-en.json": "pair fr-en",
    "data/cost/mine-fr-en.json": "pair fr-en",
    "plots/train/plots/metrics/dev/fr-en.tsv": "pair fr-en",
    "data/rejects/old.tsv.zst": "corpus old",
    "data/evaluation/labse.json": "model labse",
    "data/evaluation/labse.items.parquet": "model labse",
}

BELONGS = [
    *(
        f"data/{kind}/{name}"
        for kind in ("sentences", "teacher", "embeddings", "tokens/student")
        for name in ("en", "fr")
    ),
    *(f"data/{kind}/en-fr" for kind in ("pairs", "heldout", "neighborhoods")),
    *("data/monolingual/ja", "data/mined/en-fr.parquet", "metrics/mine/en-fr.json", "data/cost/mine-en-fr.json"),
    *("data/cost/prepare.json", "data/rejects/mine.tsv.zst", "data/rejects/news.tsv.zst", "metrics/train.json"),
    *("data/evaluation/base.json", "data/evaluation/student.items.parquet", "plots/train/metrics.json"),
    # A user's own, where stages write too.
    *("data/mined/best.parquet", "data/mined/fr-en.tsv", "data/mined/notes-2.parquet", "data/sentences/README.md"),
    *("metrics/mine/summary.json", "data/store/ko/1.arrow", "data/raw/ko/x.txt"),
]


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")


@pytest.mark.parametrize("relative", [True, False])
def test_left_over_is_what_params_yaml_names_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool):
    put(tmp_path, *BEFORE, *BELONGS)
    monkeypatch.chdir(tmp_path)
    root = Path() if relative else tmp_path
    leftovers = LeftOvers(check_params(PARAMS), Layout(root))
    found = {path.relative_to(root).as_posix(): why for path, why in leftovers.found()}
    assert found == {name.removesuffix("/00000.arrow"): f"params.yaml names no {what}" for name, what in BEFORE.items()}
    for name, what in BEFORE.items():  # also what is not there
        (root / name).unlink()
        assert leftovers.reason(root / name) == f"params.yaml names no {what}"
    assert [name for name in BELONGS if leftovers.reason(root / name) is not None] == []


def test_the_teacher_s_languages_follow_the_strategy(tmp_path: Path):
    put(tmp_path, "data/teacher/fr/00000.arrow", "data/tokens/teacher/fr/00000.arrow", "data/sentences/fr/00000.arrow")
    layout = Layout(tmp_path)
    assert not list(LeftOvers(check_params(PARAMS), layout).found())
    priority = check_params({**PARAMS, "labels": {"strategy": "priority"}})
    assert [path for path, _ in LeftOvers(priority, layout).found()] == [
        layout.tokens / "teacher/fr",
        layout.teacher / "fr",
    ]


def test_one_line_names_some_and_counts_the_rest(tmp_path: Path):
    found = [(tmp_path / "data" / str(number), "") for number in range(7)]
    assert in_words(found, tmp_path).startswith(
        "data/0, data/1, data/2, data/3, data/4 and 2 more: of what params.yaml no"
    )
    assert in_words([], tmp_path) == ""


# Commands, on a project in which everything was made for the pairs en-fr and fr-en.


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SOFTALIGN_STORE", raising=False)
    root = write_artifacts(tmp_path)
    (root / "params.yaml").write_text(json.dumps({**PARAMS, "prepare": {"corpora": PARAMS["prepare"]["corpora"]}}))
    shutil.copyfile(root / "metrics/mine/en-fr.json", root / "metrics/mine/fr-en.json")
    shutil.copyfile(root / "data/mined/en-fr.parquet", root / "data/mined/fr-en.parquet")
    shutil.copyfile(root / "data/cost/prepare.json", root / "data/cost/mine-fr-en.json")
    path = root / "metrics" / "heldout.json"
    metrics = json.loads(path.read_text())
    for kind, score in (("retrieval", "accuracy"), ("mining", "f1")):
        pairs = metrics[kind]["pairs"]
        pairs["fr-en"] = {**pairs["en-fr"], score: 0.25}
    metrics["retrieval"]["mean"], metrics["mining"]["mean_f1"] = 0.6, 0.55
    path.write_text(json.dumps(metrics))
    evaluated = json.loads((root / "metrics" / "evaluate.json").read_text())
    scores = {name: {"accuracy": 0.5, "clean": 0.5, "seen": 0} for name in ("tatoeba", "flores")}
    evaluated |= {"benchmarks": scores, "peers": {"base": scores, "labse": scores}}
    (root / "metrics" / "evaluate.json").write_text(json.dumps(evaluated))
    return root


def run(*command: str) -> tuple[int, list[str]]:
    done = CliRunner().invoke(app, list(command))
    return done.exit_code, done.stdout.splitlines()


def test_results_are_of_what_params_yaml_names(project: Path):
    _, lines = run("results", "--project", str(project))
    assert [line.split("\t")[0] for line in lines if "fr-en" in line] == ["left over"]
    assert "mean\t95.0\t\t\t\t85.0\t" in lines  # of en-fr alone
    assert [line for line in lines if line.startswith(("flores", "tatoeba"))] == [
        "tatoeba\taccuracy\tstudent\t50.0\t50.0",
        "tatoeba\taccuracy\tbase\t50.0\t50.0",
    ]
    left = next(line for line in lines if line.startswith("left over"))
    assert left.split("\t")[1].startswith(
        "data/mined/fr-en.parquet, metrics/mine/fr-en.json, data/cost/mine-fr-en.json: of"
    )


def test_results_name_a_pair_that_has_none(project: Path):
    params = json.loads((project / "params.yaml").read_text())
    (project / "params.yaml").write_text(json.dumps({**params, "pairs": ["en-fr", "en-ko"]}))
    assert "without scores\ten-ko" in run("results", "--project", str(project))[1]


def test_results_of_what_near_copies_left_nothing_of(project: Path):
    for name in ("evaluate", "heldout"):
        (project / "metrics" / f"{name}.json").write_text('{"retrieval": {"pairs": {}}, "mining": {"pairs": {}}}')
    near = {"near": "digits", "candidates": {"en-fr": 9}, "left_out": {"en-fr": 9}}
    (project / "metrics" / "prepare.json").write_text(json.dumps({"heldout_near": near}))
    lines = run("results", "--project", str(project))[1]
    assert lines[1].startswith("scores\tnone: 9 of 9 held-out pairs have a near copy in the training text")


def test_verify_names_it_without_an_error_and_clears_it(project: Path):
    code, lines = run("verify", str(project))
    assert code == 0
    assert lines == [
        f"{project}/data/mined/fr-en.parquet: left over: params.yaml names no pair fr-en",
        f"{project}/metrics/mine/fr-en.json: left over: params.yaml names no pair fr-en",
        f"{project}/data/cost/mine-fr-en.json: left over: params.yaml names no pair fr-en",
        "3 left over, which nothing reads; `softalign verify --repair` removes them",
    ]
    code, lines = run("verify", str(project), "--repair")
    assert (code, lines[-1]) == (0, "0 defects and 3 left over, removed; `dvc repro` makes again what is needed")
    assert run("verify", str(project)) == (0, [f"{project}: nothing is damaged, missing or out of place"])


STALE: dict[str, Callable[[Path], object]] = {
    "damaged": lambda root: (root / "data/mined/fr-en.parquet").write_bytes(b"PAR1"),
    "tokens of other sentences": lambda root: (
        shutil.copytree(root / "data/tokens/student/fr", root / "data/tokens/student/ko")
        and shutil.copytree(root / "data/sentences/en", root / "data/sentences/ko")
    ),
    "vectors of another encoder": lambda root: shutil.copytree(root / "data/teacher/en", root / "data/teacher/aa"),
    "noted by DVC, and gone": lambda root: (root / "dvc.lock").write_text(
        "stages: {mine@fr-ko: {outs: [{path: data/mined/fr-ko.parquet, md5: abc}]}}"
    ),
}


@pytest.mark.parametrize("name", STALE)
def test_what_is_wrong_with_what_is_left_over_is_no_defect(project: Path, name: str):
    STALE[name](project)
    code, lines = run("verify", str(project))
    assert code == 0, lines
    assert all("left over" in line for line in lines)


def test_inspect_names_it(project: Path):
    assert (
        "left over\tparams.yaml names no pair fr-en; `softalign verify --repair` removes it"
        in (run("inspect", str(project / "data/mined/fr-en.parquet"))[1])
    )
    overview = run("inspect", str(project / "data"))[1]
    (line,) = [line for line in overview if line.startswith("left over")]
    assert line.startswith("left over\tdata/mined/fr-en.parquet, data/cost/mine-fr-en.json: of what")
    assert not [line for line in run("inspect", str(project / "data/pairs/en-fr"))[1] if line.startswith("left over")]
