"""The pipeline end to end: real `dvc repro` in a temporary clone, with a tiny teacher and made-up text."""

from __future__ import annotations

import csv
import json
import re
import resource
import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc_project import STAGES, add_deps, clone, hashes, repro, run
from imports import ROOT
from ruamel.yaml import YAML
from small import sentence
from tiny_project import translation

pytestmark = pytest.mark.slow


def restored(folder: Path) -> list[str]:
    """Run ``dvc repro``; returns the stages that came from the run-cache."""
    printed = run(folder, "dvc", "repro")
    assert "Running stage" not in printed, printed
    return [line.split("'")[1] for line in printed.splitlines() if "is cached - skipping run" in line]


def change(folder: Path, edit: Callable[[dict], None]) -> None:
    """Change params.yaml."""
    yaml = YAML()
    params = yaml.load((folder / "params.yaml").read_text())
    edit(params)
    with (folder / "params.yaml").open("w") as opened:
        yaml.dump(params, opened)


@pytest.fixture
def project(first: Path, tmp_path: Path) -> Path:
    """A copy of that clone, its store and DVC's cache included."""
    shutil.copytree(first, tmp_path / "project", symlinks=True)
    return tmp_path / "project"


def test_everything_is_written(first: Path):
    for name in (
        "data/mined/en-fr.parquet",
        "models/student/modules.json",
        "reports/index.html",
        "metrics/evaluate.json",
    ):
        assert (first / name).is_file()
    scores = json.loads((first / "metrics" / "evaluate.json").read_text())
    assert scores["retrieval"]["mean"] > 0.1
    assert set(scores["mining"]["pairs"]) == {"en-fr"}


def _processor_seconds() -> float:
    """Of all ended child processes: other work on the machine doesn't count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_nothing_changed_nothing_runs_at_once(project: Path):
    repro(project)  # the copy's files have new times: DVC hashes them once
    before = _processor_seconds()
    assert repro(project) == []
    assert _processor_seconds() - before < 5


def test_from_scratch_again_gives_the_same_bytes(first: Path, tmp_path: Path, tiny_teacher: Path):
    again = clone(tmp_path / "again", tiny_teacher)
    repro(again)
    page = "reports/index.html"
    before, after = hashes(first), hashes(again)
    before.pop(page)
    after.pop(page)
    assert after == before
    pages = [(folder / page).read_text(encoding="utf-8") for folder in (first, again)]
    without_cost = [re.sub(r'<section id="cost">.*?</section>', "", text, flags=re.DOTALL) for text in pages]
    assert without_cost[0] == without_cost[1]
    assert without_cost[0] != pages[0]


def test_temperature_reruns_train_and_what_follows_and_going_back_restores(project: Path):
    before = hashes(project)

    def hotter(params: dict) -> None:
        params["train"]["temperature"] = {"teacher": 0.2, "student": 0.1}

    change(project, hotter)
    assert repro(project) == STAGES[STAGES.index("train") :]
    assert hashes(project) != before
    change(project, lambda params: params["train"].pop("temperature"))
    assert "train" in restored(project)
    assert hashes(project) == before


def test_more_text_embeds_only_the_new_sentences(project: Path):
    old = json.loads((project / "metrics" / "teach.json").read_text())["en"]
    assert old["hits"] == 0
    # A sentence whose words no other has: however it falls, it is one new sentence.
    new = [f"{sentence(number)} again and again" for number in range(3)]
    for name, lines in (
        ("text.en", new),
        ("text.fr", [translation(sentence(number)) + " Nouveau" for number in range(3)]),
    ):
        with (project / name).open("a", encoding="utf-8") as opened:
            opened.write("\n".join(lines) + "\n")
    assert repro(project)[0] == "prepare"
    counts = json.loads((project / "metrics" / "teach.json").read_text())["en"]
    assert 0 < counts["misses"] <= 3 + 1
    assert counts["hits"] >= old["misses"] - 1


def test_a_comment_reruns_a_stage_but_not_what_follows(project: Path):
    before = hashes(project)
    module = project / "pipeline" / "labels" / "neighborhoods.py"
    module.write_text(module.read_text() + "\n# a comment\n")
    ran = repro(project)
    assert "neighborhoods" in ran
    assert "teach" not in ran
    assert not {"embed", "mine@en-fr", "evaluate", "report"} & set(ran)
    assert hashes(project) == before


def test_a_comment_in_the_teacher_s_code_costs_no_teacher_time(project: Path):
    module = project / "pipeline" / "embedding" / "embed.py"
    module.write_text(module.read_text() + "\n# a comment\n")
    ran = repro(project)
    assert ran[0] == "teach"
    assert not {"neighborhoods", "train", "mine@en-fr", "evaluate", "report"} & set(ran)
    counts = json.loads((project / "metrics" / "teach.json").read_text())["en"]
    assert (counts["misses"], counts["hits"]) == (0, counts["sentences"])


def test_a_bad_parameter_is_one_line_and_loses_nothing(project: Path):
    before = hashes(project)
    change(project, lambda params: params["train"].update(steps="many"))
    printed = run(project, "dvc", "repro", check=False)
    assert "softalign: error: params.yaml: train.steps: found 'many'; input should be a valid integer" in printed
    assert "Traceback" not in printed
    change(project, lambda params: params["train"].update(steps=40))
    assert "train" not in repro(project)
    assert hashes(project) == before


def test_a_sweep_costs_no_teacher_time_and_its_table_has_the_numbers_of_the_metrics(project: Path):
    for command in (
        ("config", "user.name", "t"),
        ("config", "user.email", "t@t"),
        ("add", "-A"),
        ("commit", "-qm", "t"),
    ):
        run(project, "git", *command)
    store = {path: path.stat().st_mtime_ns for path in (project / "data" / "store").rglob("*")}
    run(project, "dvc", "exp", "run", "--queue", "-S", "++train.temperature.student=0.05,0.2", "-S", "seed=1,2")
    run(project, "dvc", "exp", "run", "--run-all", "-j", "2")
    logs = list((project / ".dvc" / "tmp" / "exps" / "run").glob("*/*.out"))
    assert len(logs) == 4
    for log in logs:
        ran = [line.split("'")[1] for line in log.read_text().splitlines() if line.startswith("Running stage")]
        assert ran == STAGES[STAGES.index("train") :]
    assert {path: path.stat().st_mtime_ns for path in (project / "data" / "store").rglob("*")} == store

    run(project, sys.executable, "-m", "softalign", "experiments", "--csv", "runs.csv", "--out", "table.md")
    with (project / "runs.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [(row["train.temperature.student"], row["seed"]) for row in rows] == [
        (student, seed) for student in ("0.05", "0.2") for seed in ("1", "2")
    ]
    table = (project / "table.md").read_text(encoding="utf-8").splitlines()
    for number, row in enumerate(rows):
        run(project, "dvc", "exp", "apply", row["experiment"])
        scores = json.loads((project / "metrics" / "evaluate.json").read_text())
        assert float(row["evaluate.retrieval.mean"]) == scores["retrieval"]["mean"]
        assert float(row["evaluate.mining.mean_f1"]) == scores["mining"]["mean_f1"]
        dev = json.loads((project / "metrics" / "train.json").read_text())["dev_accuracy"]
        assert float(row["train.dev_accuracy"]) == dev
        cells = table[2 + number // 2].replace("*", "").split("|")
        same = [float(other["train.dev_accuracy"]) for other in rows[number // 2 * 2 :][:2]]
        assert cells[3].strip() == f"{100 * statistics.fmean(same):.2f} ± {100 * statistics.stdev(same):.2f}"


def test_an_experiment_with_other_text_finds_the_store_of_its_project(project: Path):
    for command in (
        ("config", "user.name", "t"),
        ("config", "user.email", "t@t"),
        ("add", "-A"),
        ("commit", "-qm", "t"),
    ):
        run(project, "git", *command)
    known = json.loads((project / "metrics" / "teach.json").read_text())["en"]["sentences"]
    run(project, "dvc", "exp", "run", "--temp", "--name", "less", "-S", "prepare.heldout.share=0.5")
    run(project, "dvc", "exp", "apply", "less")
    counts = json.loads((project / "metrics" / "teach.json").read_text())["en"]
    assert 0 < counts["hits"] < known
    assert counts["misses"] == 0


def test_two_teachers_are_two_identities(project: Path, tiny_xlmr: Path):
    change(project, lambda params: params["teacher"].update(model=str(tiny_xlmr), prefix="query: "))
    refused = run(project, "dvc", "repro", check=False)  # its folder is none of the deps
    assert "stage tokenize reads what its deps don't name (teacher.model)" in refused
    assert f"      {tiny_xlmr}," in refused.splitlines()
    add_deps(project, {"tokenize": [str(tiny_xlmr)], "teach": [str(tiny_xlmr)]})
    assert "teach" in repro(project)
    assert json.loads((project / "metrics" / "teach.json").read_text())["en"]["hits"] == 0
    assert len(list((project / "data" / "store").iterdir())) == 2


def test_the_readme_s_lines_of_polars_work(first: Path):
    blocks = (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")[1:]
    (code,) = [block.split("```")[0] for block in blocks if "import polars" in block]
    run(first, sys.executable, "-c", code)
