"""What a stage imports when it is run again and everything is there: libraries take seconds to import.

pandas is not looked for: pyarrow imports it where it is installed, whatever is asked of pyarrow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from imports import ROOT
from tiny_project import run_to_neighborhoods, write_project

from stages import embed, evaluate, mine, report, train
from stages.running.command import Project

RUN = """
import atexit, json, runpy, sys
name, result, heavy, sys.argv = sys.argv[1], sys.argv[2], sys.argv[3].split(), ["-m", *sys.argv[4:]]
atexit.register(lambda: open(result, "w").write(json.dumps([one for one in heavy if one in sys.modules])))
runpy.run_module(name, run_name="__main__", alter_sys=True)
"""
HEAVY = (
    *("accelerate", "dvc", "dvclive", "faiss", "fsspec", "jinja2", "matplotlib", "polars", "rich", "safetensors"),
    *("scipy", "sentence_transformers", "tokenizers", "torch", "transformers"),
)
NEEDED = {
    # stage: the heavy ones that it needs with nothing new to compute. The others it must not import.
    "prepare": {"polars"},  # reads the text
    "tokenize": {"tokenizers"},
    "teach": {"tokenizers"},  # all vectors are stored: the model is not loaded
    "neighborhoods": {"faiss", "torch"},  # searches
    # builds the model and takes its weights from the last checkpoint; DVCLive writes the series anew
    "train": {"accelerate", "dvc", "dvclive", "fsspec", "safetensors", "tokenizers", "torch"},
    "embed": {"safetensors", "tokenizers", "torch"},  # a static student's vectors are not stored
    "mine": {"faiss", "polars", "torch"},  # searches, and reads the texts of pairs
    "evaluate": set(),
    "report": {"jinja2", "matplotlib", "polars"},  # reads pairs, draws
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_teacher: Path) -> Path:
    """A project in which every stage has run."""
    root = write_project(tmp_path_factory.mktemp("finished") / "project", tiny_teacher)
    run_to_neighborhoods(root)
    project = Project.open(root)
    train.run(project)
    embed.run(project)
    mine.run(project, "en-fr")
    evaluate.run(project)
    report.run(project)
    return root


@pytest.mark.parametrize("stage", NEEDED)
def test_a_stage_run_again_imports_no_more_than_it_needs(stage: str, finished: Path, tmp_path: Path):
    metrics = {path: path.read_bytes() for path in (finished / "metrics").rglob("*.json") if path.stem != "teach"}
    words = ["--pair", "en-fr"] if stage == "mine" else []
    found = tmp_path / "found.json"
    done = subprocess.run(
        [sys.executable, "-c", RUN, f"stages.{stage}", str(found), " ".join(HEAVY), *words],
        cwd=finished,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(json.loads(found.read_text())) <= NEEDED[stage]
    assert {path: path.read_bytes() for path in metrics} == metrics
    if stage == "teach":
        counts = json.loads((finished / "metrics" / "teach.json").read_text())["en"]
        assert (counts["misses"], counts["hits"]) == (0, counts["sentences"])


def test_the_table_has_every_stage():
    from softalign.projects.stages import stage_names

    assert list(NEEDED) == stage_names()
    assert all(import_module(f"stages.{name}") for name in NEEDED)


def test_to_embed_what_is_stored_needs_no_torch():
    """A transformer's vectors are: the stage itself must not import what it needs for others alone."""
    code = "import sys, stages.embed; sys.exit(str({'torch', 'transformers', 'polars'} & set(sys.modules) or 0))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "0"


CHOICES = """
import sys
from pipeline.config.evaluate import BENCHMARKS
from pipeline.config.prepare import FORMATS
from pipeline.config.train import LossTerm
for things in (FORMATS, BENCHMARKS, LossTerm.things):
    assert len([things.find(name) for name in things.names()]) > 5
sys.exit(str({"polars", "torch", "transformers"} & set(sys.modules) or 0))
"""


def test_whatever_params_yaml_chooses_is_checked_without_polars_or_torch():
    done = subprocess.run([sys.executable, "-c", CHOICES], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "0"
