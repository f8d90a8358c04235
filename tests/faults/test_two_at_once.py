"""Two runs at once: of one stage in one project, of `dvc repro`, and of two projects that share a store."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kills import SETTINGS, write_project

from pipeline.artifacts.shards import open_folder
from stages import prepare, tokenize
from stages.running.command import Project
from stages.running.lock import one_at_a_time

pytestmark = pytest.mark.slow


def start(folder: Path, *command: str, **environment: str) -> subprocess.Popen[str]:
    """Start a command in a project, whose own code it imports."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, **SETTINGS, "PATH": path, "PYTHONPATH": str(folder), **environment}
    return subprocess.Popen(command, cwd=folder, env=variables, stdout=-1, stderr=subprocess.STDOUT, text=True)


def end(process: subprocess.Popen[str]) -> str:
    """Wait for a success; returns what it printed."""
    printed = process.communicate(timeout=200)[0]
    assert process.returncode == 0, printed
    return printed


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read what a process prints until a line holds a text."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(seen)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = write_project(tmp_path / "project")
    for stage in (prepare, tokenize):
        stage.run(Project.open(folder))
    return folder


def test_the_second_of_one_stage_says_who_runs_it_and_waits(project: Path):
    lock = Project.open(project).layout.lock("teach")
    with one_at_a_time(lock, "teach"):
        second = start(project, sys.executable, "-m", "stages.teach")
        said = read_until(second, "waiting")
        assert said == (
            f"teach: process {os.getpid()} on {os.uname().nodename} runs it in this project; waiting for its end\n"
        )
        assert not (project / "data" / "teacher").exists()
    end(second)
    assert (project / "data" / "teacher" / "en").is_dir()
    assert [path.name for path in lock.parent.iterdir()] == ["teach.lock"]


def test_two_projects_share_a_store_and_both_have_the_right_bytes(project: Path, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(project, other)
    end(start(project, sys.executable, "-m", "stages.teach", SOFTALIGN_STORE=str(tmp_path / "alone")))
    expected = [path.read_bytes() for path in sorted((project / "data" / "teacher").rglob("*.arrow"))]
    shutil.rmtree(project / "data" / "teacher")
    both = [
        start(folder, sys.executable, "-m", "stages.teach", SOFTALIGN_STORE=str(tmp_path / "shared"))
        for folder in (project, other)
    ]
    for process in both:
        end(process)
    for folder in (project, other):
        assert [path.read_bytes() for path in sorted((folder / "data" / "teacher").rglob("*.arrow"))] == expected
    sentences = sum(len(shard) for shard in open_folder(project / "data" / "teacher" / "en"))
    for folder in (project, other):
        counts = json.loads((folder / "metrics" / "teach.json").read_text())["en"]
        assert counts["hits"] + counts["misses"] == counts["sentences"] == sentences
    assert not [path for path in (tmp_path / "shared").rglob("*") if path.name.endswith((".tmp", ".part"))]


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh"])  # one becomes its command, the other stays before it
def test_dvc_refuses_a_second_run_and_a_stage_ends_with_its_dvc(project: Path, shell: str):
    lock = Project.open(project).layout.lock("prepare")
    with one_at_a_time(lock, "prepare"):
        first = start(project, "dvc", "repro", "prepare", SHELL=shell)
        read_until(first, "waiting")
        second = start(project, "dvc", "repro", "prepare")
        printed = second.communicate(timeout=100)[0]
        assert second.returncode != 0
        assert "is busy, it is being blocked by" in printed
        assert f"(PID {first.pid}): " in printed
        os.kill(first.pid, signal.SIGKILL)  # DVC alone, not its stage
        said = first.communicate(timeout=60)[0]  # ends when the stage has ended, too
        assert said.endswith("softalign: stopped by SIGTERM; run the same command again to go on\n")
    end(start(project, "dvc", "repro", "prepare"))
    assert "prepare" in (project / "dvc.lock").read_text()
