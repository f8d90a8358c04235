"""``softalign experiments``: what it reads of DVC, what it writes, what it says when it can't."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from softalign.app import app
from softalign.projects import read_experiments

run = CliRunner()


def experiment(name: str, seed: int, accuracy: float, state: str = "success", **executor: Any) -> dict[str, Any]:
    """One experiment in the form of `dvc exp show --json`."""
    params = {"seed": seed, "train": {"steps": 10}}
    files = {
        "metrics/train.json": {"data": {"dev_accuracy": accuracy, "note": "text"}},
        "metrics/mine/en-fr.json": {"data": {"test": {"f1": accuracy / 2}}},
        "metrics/evaluate.json": {"error": {"type": "FileNotFoundError", "msg": "no such file"}},
    }
    data = {"params": {"params.yaml": {"data": params}}, "metrics": files, "timestamp": f"2026-01-01T00:00:{seed:02d}"}
    made = {"state": state, **executor} if state else None
    return {"name": name, "executor": made, "revs": [{"rev": "f" * 40, "data": data, "error": None}]}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What DVC tells; experiments are put into it."""
    experiments: list[dict[str, Any]] = []
    baselines = [{"rev": "workspace", "experiments": None}, {"rev": "abc" * 13, "experiments": experiments}]
    monkeypatch.setattr(read_experiments, "_show", lambda project, all_commits: baselines)
    return experiments


def test_runs_are_read_with_params_metrics_and_state(shown: list[dict[str, Any]], tmp_path: Path):
    log = tmp_path / "log"
    log.write_text("> python\nsoftalign: error: params.yaml: seed: found 'x'\nERROR: failed to reproduce\n")
    shown += [
        experiment("good", 1, 0.5),
        experiment("local", 2, 0.6, state=""),
        experiment("bad", 3, 0.9, "failed", local={"log": str(log)}),
        experiment("lost", 4, 0.9, "failed", local={"log": str(tmp_path / "none")}),
        experiment("waits", 5, 0.9, "queued"),
    ]
    runs = {run.name: run for run in read_experiments.read_experiments(tmp_path)}
    assert runs["good"].metrics == {"train.dev_accuracy": 0.5, "mine.en-fr.test.f1": 0.25}
    assert (runs["good"].params["seed"], runs["good"].commit) == (1, "abcabca")
    assert [run.state for run in runs.values()] == ["success", "success", "failed", "failed", "queued"]
    assert runs["bad"].metrics == {}  # those that DVC shows are of the commit it started from
    assert runs["bad"].reason == "params.yaml: seed: found 'x'"
    assert runs["lost"].reason == "no reason in its log; see `dvc queue logs`"


def test_one_command_writes_page_markdown_plot_and_numbers(shown: list[dict[str, Any]], tmp_path: Path):
    shown += [experiment("a", 1, 0.5), experiment("b", 2, 0.7), experiment("c", 3, 0.0, "queued")]
    done = run.invoke(app, ["experiments", "--project", str(tmp_path), "--csv", str(tmp_path / "runs.csv")])
    assert done.exit_code == 0, done.stderr
    assert "2\t60.00 ± 14.14 *" in done.stdout
    assert "c\tqueued\tseed=3\t" in done.stdout
    assert "60.00 ± 14.14" in (tmp_path / "reports" / "experiments.html").read_text(encoding="utf-8")
    assert (tmp_path / "runs.csv").read_text() == "experiment,seed,train.dev_accuracy\na,1,0.5\nb,2,0.7\n"
    done = run.invoke(app, ["experiments", "--project", str(tmp_path), "--out", str(tmp_path / "docs" / "table.md")])
    assert "![dev accuracy, %](table.svg)" in (tmp_path / "docs" / "table.md").read_text(encoding="utf-8")
    assert (tmp_path / "docs" / "table.svg").read_text(encoding="utf-8").startswith("<svg ")


def test_grouping_by_another_parameter(shown: list[dict[str, Any]], tmp_path: Path):
    shown += [experiment("a", 1, 0.5), experiment("b", 2, 0.7)]
    done = run.invoke(app, ["experiments", "--project", str(tmp_path), "--group-by", "train.steps"])
    assert "1\t1\t50.00" in done.stdout
    assert "2\t1\t70.00 *" in done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--metric", "dev_acc"], "--metric: no experiment has 'dev_acc'; did you mean train.dev_accuracy?"),
        (["--group-by", "sed"], "--group-by: 'sed' is no parameter of these experiments; did you mean seed?"),
        (["--out", "x.pdf"], "--out: found 'x.pdf', expected a name that ends in .html, .svg, .md"),
    ],
)
def test_wrong_options_are_one_line(shown: list[dict[str, Any]], tmp_path: Path, options: list[str], said: str):
    shown += [experiment("a", 1, 0.5)]
    done = run.invoke(app, ["experiments", "--project", str(tmp_path), *options])
    assert (done.exit_code, done.stderr) == (1, f"softalign: error: {said}\n")


def test_a_plot_of_nothing_is_refused(shown: list[dict[str, Any]], tmp_path: Path):
    shown += [experiment("a", 1, 0.5, "running")]
    done = run.invoke(app, ["experiments", "--project", str(tmp_path), "--out", str(tmp_path / "x.svg")])
    assert done.exit_code == 1
    assert done.stderr.endswith("x.svg: no experiment has finished; a plot needs one\n")


def test_a_project_below_dvc_s_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "mine").mkdir()
    found = experiment("a", 1, 0.5)
    data = found["revs"][0]["data"]
    for kind in ("params", "metrics"):
        data[kind] = {f"mine/{path}": file for path, file in data[kind].items()}
    monkeypatch.setattr(read_experiments, "_show", lambda *_: [{"rev": "abc", "experiments": [found]}])
    (read,) = read_experiments.read_experiments(tmp_path / "mine")
    assert (read.params["seed"], read.metrics["train.dev_accuracy"]) == (1, 0.5)


def said_of(folder: Path) -> str:
    done = run.invoke(app, ["experiments", "--project", str(folder)])
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    return done.stderr.removeprefix("softalign: error: ").rstrip()


def test_no_folder(tmp_path: Path):
    assert said_of(tmp_path / "none").endswith("none: no such folder; expected one that holds params.yaml")


def dvc(folder: Path, *options: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *options], cwd=folder, check=True, capture_output=True)


def test_without_dvc_without_git_and_without_experiments(tmp_path: Path):
    plain, alone, empty = (tmp_path / name for name in ("plain", "alone", "empty"))
    for folder in (plain, alone, empty):
        folder.mkdir()
    dvc(alone, "init", "-q", "--no-scm")
    subprocess.run(["git", "init", "-q"], cwd=empty, check=True)
    dvc(empty, "init", "-q")
    assert "plain: not in a DVC repository; expected a folder in which `git init` and `dvc init` were run" in said_of(
        plain
    )
    assert "alone: a DVC repository without git; expected one with it" in said_of(alone)
    assert "empty: found no experiments that started from this commit (--all-commits looks at all)" in said_of(empty)


def test_what_dvc_says_otherwise_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    answers = [
        subprocess.CompletedProcess([], 1, "", "WARNING: x\nERROR: the lock is taken\n"),
        subprocess.CompletedProcess([], 0, "not json", ""),
        subprocess.CompletedProcess([], 0, json.dumps({"a": 1}), ""),
    ]
    monkeypatch.setattr(read_experiments.subprocess, "run", lambda *_, **__: answers.pop(0))
    assert said_of(tmp_path) == f"{tmp_path}: dvc exp show failed: the lock is taken"
    assert "gave no list of JSON" in said_of(tmp_path)
    assert "gave no list of JSON" in said_of(tmp_path)
