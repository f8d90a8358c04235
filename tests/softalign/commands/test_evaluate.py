"""`softalign evaluate`, `compare` and `benchmarks` by themselves; models are files of vectors, which load at once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from benchmark_files import encode, lines, write_flores, write_stsb, write_tatoeba
from typer.testing import CliRunner

from pipeline.evaluation import fetching
from softalign.app import app

run = CliRunner()


def call(*words: str) -> tuple[int, str, str]:
    done = run.invoke(app, list(words))
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOFTALIGN_STORE", raising=False)
    write_tatoeba(tmp_path / "tatoeba")
    write_stsb(tmp_path / "stsb")
    assert (
        call("benchmarks", "texts", "--benchmark", "tatoeba=tatoeba", "--benchmark", "stsb=stsb", "--out", "v.txt")[0]
        == 0
    )
    texts = (tmp_path / "v.txt").read_text(encoding="utf-8").splitlines()
    np.save(tmp_path / "v.npy", encode(texts))
    np.save(tmp_path / "w.npy", encode(texts) + 3 * np.random.default_rng(0).normal(size=(len(texts), 12)))
    lines(tmp_path / "w.txt", texts)
    return tmp_path


def test_any_model_on_any_benchmark(here: Path):
    code, shown, _ = call(
        "evaluate", "--model", "v.npy", "--benchmark", "tatoeba=tatoeba", "--benchmark", "sts:stsb=stsb", "--out", "v.json"
    )  # fmt: skip
    assert code == 0
    assert "## tatoeba (tatoeba), in per cent" in shown
    rows = {line.split("\t")[0]: line.split("\t") for line in shown.splitlines() if "\t" in line}
    about = json.loads((here / "v.json").read_text())["benchmarks"]
    assert rows["fr-en"][2] == f"{100 * about['tatoeba']['tasks']['fr-en']['accuracy']['value']:.2f}"
    assert set(about) == {"tatoeba", "sts"}
    assert (here / "v.items.parquet").exists()


def test_languages_and_what_was_seen(here: Path):
    lines(here / "seen.txt", (here / "tatoeba" / "tatoeba.fra-eng.fra").read_text().splitlines()[:4])
    code, shown, _ = call(
        "evaluate", "--model", "v.npy", "--name", "mine", "--benchmark", "tatoeba=tatoeba", "--languages", "fr,en",
        "--training", "seen.txt", "--near", "0", "--bootstrap", "0",
    )  # fmt: skip
    assert code == 0
    assert "ja-en" not in shown
    assert "\t4 of 80\t" in shown
    assert "model\tmine" in shown


def test_compare_results_and_models(here: Path):
    for name in "vw":
        call("evaluate", "--model", f"{name}.npy", "--benchmark", "tatoeba=tatoeba", "--out", f"{name}.json")
    code, shown, _ = call("compare", "v.json", "w.json", "--out", "d.json", "--bootstrap", "200")
    assert code == 0
    found = json.loads((here / "d.json").read_text())
    assert [one["task"] for one in found["differences"]] == ["fr-en", "ja-en", "mean"]
    assert found["differences"][2]["intervals"][0][1] < 0
    assert "tatoeba: accuracy, in per cent" in shown
    code, again, _ = call("compare", "v.npy", "w.npy", "--benchmark", "tatoeba=tatoeba", "--bootstrap", "200")
    assert code == 0
    assert again.split("##")[1].replace(".npy", "") == shown.split("##")[1].replace(".npy", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("evaluate", "--model", "v.npy"), "--benchmark is missing"),
        (("evaluate", "--benchmark", "tatoeba=tatoeba"), "--model is missing"),
        (
            ("evaluate", "--model", "v.npy", "--benchmark", "tatoeba"),
            "found 'tatoeba', expected KIND=DIR with KIND one of",
        ),
        (("evaluate", "--model", "v.npy", "--benchmark", "tatoba=x"), "found 'tatoba=x', expected KIND=DIR"),
        (("evaluate", "--model", "v.npy", "--benchmark", "tatoeba=x"), "x: no such folder"),
        (("evaluate", "--model", "v.npy", *("--benchmark", "tatoeba=tatoeba") * 2), "two are named 'tatoeba'"),
        (("evaluate", "--model", "v.npy", "--benchmark", "tatoeba=tatoeba", "--out", "a.txt"), "expected .json"),
        (("evaluate", "--model", "v.npy", "--benchmark", "tatoeba=tatoeba", "--split", "x"), "expected dev or test"),
        (
            ("evaluate", "--model", "v.npy", "--benchmark", "tatoeba=tatoeba", "--languages", "1"),
            "--languages: '1' is not",
        ),
        (("evaluate", "--model", "./nothing", "--benchmark", "tatoeba=tatoeba"), "is no folder here"),
        (("evaluate", "--model", "v.npy", "--benchmark", "flores=flores"), "has no vector for"),
        (("evaluate", "--model", "v.npy", "--project", "."), "--project runs the stage and --model measures a model"),
        (("evaluate", "--project", ".", "--store", "s"), "--project runs the stage and --store measures a model"),
        (("evaluate", "--store", "s"), "--model is missing"),
        (("evaluate",), "params.yaml: no such file"),
        (("compare", "a.json", "b.json"), "a.json: no such file"),
        (("compare", "v.npy", "w.npy"), "v.npy: not a .json of `softalign evaluate --out`"),
        (("compare", "a.json", "--benchmark", "tatoeba=tatoeba"), "give it only with models"),
        (("compare", "a.json", "b.json", "--bootstrap", "0"), "a comparison needs resamples"),
        (("benchmarks", "fetch", "nothing", "--out", "x"), "there is no 'nothing'"),
        (("benchmarks", "fetch", "sts17", "--out", "x"), "get sts2017.eval.v1.1.zip"),
        (("benchmarks", "fetch", "tatoeba", "--out", "x", "--languages", "1"), "--languages: '1' is not"),
        (("benchmarks", "texts", "--out", "x"), "--benchmark is missing"),
        (("benchmarks", "texts", "--benchmark", "tatoeba=tatoeba"), "--out is missing"),
    ],
)
def test_what_can_not_be_done_is_one_line(here: Path, words: tuple[str, ...], message: str):
    write_flores(here / "flores")
    code, _, said = call(*words)
    assert code in (1, 2)
    assert message in said
    assert said.startswith("softalign: error: ")
    assert said.count("\n") == 1


def test_the_list_of_benchmarks():
    code, shown, _ = call("benchmarks", "list")
    assert code == 0
    assert "\nflores\tflores\t1 archive\t" in shown
    assert "\nbucc\tbucc\tby hand\t" in shown


def test_fetching_says_what_to_do_without_a_network(here: Path, monkeypatch: pytest.MonkeyPatch):
    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr("urllib.request.OpenerDirector.open", offline)
    code, _, said = call("benchmarks", "fetch", "korsts", "--out", "k")
    assert code == 1
    assert "https://raw.githubusercontent.com/kakaobrain" in said
    assert "put it to k/sts-dev.tsv: the same command then checks it" in said
    assert fetching.SCHEMES == ("https",)


def test_results_show_benchmarks_of_all_models(here: Path):
    metrics = {
        "benchmarks": {"tatoeba": {"accuracy": 0.5, "clean": 0.25, "seen": 0.1, "tasks": {"fr-en": 0.5}}},
        "peers": {"before": {"tatoeba": {"accuracy": 0.125}}, "english": {}},
    }
    (here / "metrics").mkdir()
    (here / "metrics" / "evaluate.json").write_text(json.dumps(metrics))
    code, shown, _ = call("results")
    assert code == 0
    assert "tatoeba\taccuracy\tstudent\t50.0\t25.0" in shown
    assert "tatoeba\taccuracy\tbefore\t12.5\t–" in shown
    assert "english" not in shown


def test_a_gain_is_the_other_s_value_less_the_first_s(here: Path):
    for name in "vw":
        call("evaluate", "--model", f"{name}.npy", "--benchmark", "tatoeba=tatoeba", "--out", f"{name}.json")
    for base, other, sign in (("v", "w", "-"), ("w", "v", "+")):
        _, shown, _ = call("compare", f"{base}.json", f"{other}.json", "--bootstrap", "200")
        (mean,) = (line.split("\t") for line in shown.splitlines() if line.startswith("mean\t"))
        first, its, gain, low, high = (float(cell) for cell in mean[2:7])
        assert mean[4][0] == sign
        assert gain == pytest.approx(its - first, abs=0.011)
        assert low <= gain <= high
