"""What every stage's command does with errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from imports import ROOT
from tiny_project import write_project

import pipeline
from pipeline.console.errors import ParamsError
from stages.running.command import Project


def softalign(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-m", "softalign", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_a_missing_parameter_file_is_one_line(tmp_path: Path):
    done = softalign(tmp_path, "teach")
    assert done.returncode == 1
    assert done.stderr == "softalign: error: params.yaml: no such file; expected the project's parameters\n"


def test_a_missing_artifact_names_it_and_says_what_to_run(tmp_path: Path, tiny_teacher: Path):
    write_project(tmp_path, tiny_teacher)
    done = softalign(tmp_path, "tokenize")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "data/sentences/en: no Arrow shards here; run the stage that writes this folder first" in line


def test_a_traceback_only_when_asked_for(tmp_path: Path):
    assert "Traceback" in softalign(tmp_path, "teach", "--debug").stderr


def test_a_stage_notes_its_cost_beside_the_artifacts(tmp_path: Path, tiny_teacher: Path):
    write_project(tmp_path, tiny_teacher)
    assert softalign(tmp_path, "prepare").returncode == 0
    assert json.loads((tmp_path / "data" / "cost" / "prepare.json").read_text())["peak_megabytes"] > 10


def test_a_project_of_another_version_says_what_to_do(tmp_path: Path, tiny_teacher: Path):
    write_project(tmp_path, tiny_teacher, softalign="0.0.1")  # type: ignore[arg-type]
    with pytest.raises(ParamsError, match=rf"found '0.0.1', but {pipeline.__version__} is installed"):
        Project.open(tmp_path)


def test_a_language_pair_that_is_not_there(tmp_path: Path, tiny_teacher: Path):
    write_project(tmp_path, tiny_teacher)
    done = softalign(tmp_path, "mine", "--pair", "en-de")
    assert done.returncode == 2
    assert "--pair: found 'en-de', expected one of params.yaml's pairs: en-fr" in done.stderr


@pytest.mark.parametrize("stage", ["prepare", "tokenize", "teach", "neighborhoods", "train", "embed", "mine", "report"])
def test_every_stage_has_help(stage: str, tmp_path: Path):
    done = softalign(tmp_path, stage, "--help")
    assert done.returncode == 0
    assert "--project" in done.stdout
