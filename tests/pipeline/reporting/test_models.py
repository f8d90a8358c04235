"""The student beside its peers: tables, leads and the verdict, from results as stage evaluate writes them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from benchmark_files import encode, write_flores, write_tatoeba

from pipeline.console.errors import ArtifactError
from pipeline.evaluation.comparing import compare
from pipeline.evaluation.embedded import as_model
from pipeline.evaluation.reading import read_benchmark
from pipeline.evaluation.results import read_result
from pipeline.evaluation.run import MANY_UNKNOWN, Evaluation, seen_in
from pipeline.reporting import notes
from pipeline.reporting.model_tables import TASKS, benchmark_tables
from pipeline.reporting.models import Lead, ModelScores
from pipeline.reporting.read_models import read_models
from pipeline.reporting.space import benchmark_heat_map
from pipeline.reporting.verdict import peer_verdict


def spoilt(texts: list[str]) -> object:
    """Vectors in which most sentences lose their meaning."""
    vectors = encode(texts)
    vectors[:, :9] *= 0.05
    return vectors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("evaluation")
    benchmarks = (
        read_benchmark("tatoeba", "tatoeba", write_tatoeba(root / "t"), ["en", "fr", "ja"], "test"),
        read_benchmark("flores", "flores", write_flores(root / "f"), ["en", "fr", "ko"], "test"),
    )
    seen = seen_in(benchmarks, [], 0.8)
    (root / "out").mkdir()
    for name, function, languages in (
        ("student", encode, []),
        ("before", spoilt, []),
        ("same", encode, ["en", "fr"]),
        ("nothing", encode, ["en"]),
    ):
        evaluation = Evaluation(benchmarks, 100, 7, None, seen)
        model = as_model(name, function)
        evaluation.write(root / "out" / f"{name}.json", model, evaluation.scores(model, languages))
    return root / "out"


@pytest.fixture(scope="module")
def models(folder: Path) -> ModelScores:
    return read_models(folder, ["before", "same", "nothing"])


def test_leads_are_those_of_softalign_compare(folder: Path, models: ModelScores):
    found = compare([read_result(folder / f"{name}.json") for name in ("before", "student")], 100, 7)
    for difference in found:
        lead = models.leads["before"][difference.benchmark][difference.task]
        assert lead.gain == difference.values[1] - difference.values[0]
        assert (lead.low, lead.high, lead.p) == (*difference.intervals[0], difference.p[0])
    assert models.names == ["student", "before", "same"]  # nothing was measured on nothing
    assert models.leads["nothing"] == {}
    assert set(models.leads["same"]["tatoeba"]) == {"fr-en", "mean"}


def test_tables_have_all_models_the_mean_first_and_what_was_not_measured(models: ModelScores):
    flores, tatoeba = benchmark_tables(models)
    assert (tatoeba.name, tatoeba.statistic, tatoeba.models) == ("tatoeba", "accuracy", ("student", "before", "same"))
    assert [row.task for row in tatoeba.rows] == ["mean", "fr-en", "ja-en"]
    assert [row.task for row in flores.rows] == ["mean", "en-fr", "en-ko", "fr-ko"]
    mean, french, japanese = tatoeba.rows
    assert mean.seen == "0.0"
    assert french.cells[0].value == french.cells[2].value
    assert french.cells[2].lead == "±0.0"
    assert french.cells[2].sign == 0
    assert japanese.cells[2].value == "–"
    assert japanese.cells[0].best
    assert not japanese.cells[1].best
    assert japanese.cells[0].clean == ""  # nothing was seen
    assert (mean.cells[1].tasks, mean.cells[2].tasks) == (0, 1)
    assert not mean.cells[2].best
    assert japanese.cells[1].lead.startswith("+")
    assert japanese.cells[1].sign == 1


def test_the_verdict_says_better_than_what_and_by_how_much(models: ModelScores):
    flores, tatoeba = peer_verdict(models)
    lead = models.leads["before"]["tatoeba"]["mean"]
    assert tatoeba.startswith("tatoeba (accuracy, mean of 2 tasks): ")
    assert f"better than before (+{100 * lead.gain:.1f}, +" in tatoeba
    assert "from same on the 1 of these tasks that it has (±0.0, ±0.0 to ±0.0)." in tatoeba
    assert flores.startswith("flores (accuracy, mean of 3 tasks)")
    assert peer_verdict(None) == []


def test_the_verdict_says_where_when_it_differs():
    def about(value: float) -> dict[str, object]:
        tasks = {name: {"accuracy": {"value": value}} for name in ("fr-en", "ja-en")}
        return {"benchmarks": {"t": {"main": "accuracy", "mean": {"accuracy": {"value": value}}, "tasks": tasks}}}

    leads = {
        "fr-en": Lead(0.1, 0.05, 0.2, 0.01),
        "ja-en": Lead(-0.2, -0.3, -0.1, 0.01),
        "mean": Lead(-0.05, -0.1, 0.0, 0.2),
    }
    (said,) = peer_verdict(ModelScores({"student": about(0.5), "use": about(0.55)}, {"use": {"t": leads}}))
    assert said == (
        "t (accuracy, mean of 2 tasks): 50.0 for the student; no different, beyond chance, from use "
        "(−5.0, −10.0 to ±0.0). Against use it is ahead in fr-en and behind in ja-en."
    )


def test_of_very_many_tasks_the_worst_are_shown():
    tasks = {f"t{n:03}": {"accuracy": {"value": n / 1000}} for n in range(TASKS + 40)}
    about = {"main": "accuracy", "mean": {"accuracy": {"value": 0.05}}, "tasks": tasks}
    (table,) = benchmark_tables(ModelScores({"student": {"benchmarks": {"many": about}}}, {}))
    assert table.left_out == 40
    assert [row.task for row in table.rows] == ["mean", *sorted(tasks)[:TASKS]]


def test_heat_map_of_a_benchmark_between_all_languages(models: ModelScores):
    about = models.of("student", "flores")
    found = benchmark_heat_map("flores", about, ["ko", "en"])
    assert found is not None
    assert found.languages == ("ko", "en", "fr")
    assert found.accuracy[1][0] == about["tasks"]["en-ko"]["forward"]["value"]
    assert found.accuracy[0][1] == about["tasks"]["en-ko"]["backward"]["value"]
    assert found.accuracy[0][0] is None
    assert found.sentences == (30, 30)
    assert benchmark_heat_map("tatoeba", models.of("student", "tatoeba"), []) is None  # all with English


def test_missing_results_name_the_file(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "out")
    (tmp_path / "out" / "before.items.parquet").unlink()
    with pytest.raises(ArtifactError, match=r"run stage evaluate again: .*before\.items\.parquet: no such file"):
        read_models(tmp_path / "out", ["before"])


def test_unknown_tokens_are_warned_about_from_the_same_share_on():
    assert notes.MANY_UNKNOWN == MANY_UNKNOWN
