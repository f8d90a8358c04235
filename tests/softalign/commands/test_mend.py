"""What a killed DVC leaves half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo

from pipeline.console.errors import UserError
from softalign.projects.mend import mend

LOCK = """schema: '2.0'
stages:
  teach:
    cmd: echo
    outs:
    - path: data/teacher
      hash: md5
      md5: abc.dir
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    with Repo.init(str(tmp_path), no_scm=True):
        return tmp_path


def rwlock(project: Path, number: int) -> Path:
    path = project / ".dvc" / "tmp" / "rwlock"
    info = {"pid": number, "cmd": "dvc repro"}
    path.write_text(json.dumps({"read": {"a": [info]}, "write": {"b": info}}))
    return path


def test_a_sound_project_stays_as_it_is(project: Path):
    (project / "dvc.lock").write_text(LOCK)
    entry = project / ".dvc" / "cache" / "runs" / "ab" / "abc" / "def"
    entry.parent.mkdir(parents=True)
    entry.write_text("cmd: true")
    assert mend(project) == []
    assert (project / "dvc.lock").read_text() == LOCK
    assert entry.exists()


@pytest.mark.parametrize("content", ["", LOCK[:60], LOCK.replace(" data/teacher", "")])
def test_half_a_lock_file_is_deleted(project: Path, content: str):
    (project / "dvc.lock").write_text(content)
    (line,) = mend(project)
    assert "dvc.lock: half-written; deleted" in line
    assert not (project / "dvc.lock").exists()


def test_locks_of_the_dead_are_deleted(project: Path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for path in (rwlock(project, ended.pid), project / ".dvc" / "tmp" / "rwlock"):
        path.write_text(path.read_text() if path.exists() else "")  # the second time empty: no JSON
        (line,) = mend(project)
        assert line.endswith("rwlock: locks of a killed DVC; deleted")
        assert not path.exists()


def test_another_program_of_the_same_number_is_no_dvc(project: Path):
    path = rwlock(project, 1 if os.getpid() != 1 else os.getppid())
    assert len(mend(project)) == 1
    assert not path.exists()


def test_nothing_is_deleted_while_a_dvc_runs(project: Path, tmp_path: Path):
    program = tmp_path / "dvc"
    program.write_text("import sys; sys.stdin.read()")
    (project / "dvc.lock").touch()
    with subprocess.Popen([sys.executable, str(program)], stdin=-1) as running:
        path = rwlock(project, running.pid)
        with pytest.raises(UserError, match=f"process {running.pid} runs DVC in this project; wait for its end"):
            mend(project)
        assert path.exists()
        assert (project / "dvc.lock").exists()
        running.communicate()


def test_an_empty_entry_of_the_run_cache_and_dvc_s_temporary_files_go(project: Path):
    (project / ".dvc" / "cache" / "runs" / "ab" / "abc").mkdir(parents=True)
    (project / "metrics").mkdir()
    for name in (".QiskdxkwdDD9YC4yVnBBJA.tmp", ".teach.json.abc.tmp", "teach.json"):
        (project / "metrics" / name).touch()
    lines = mend(project)
    assert [line.rpartition(": ")[2] for line in lines] == [
        "an empty entry of DVC's run-cache; deleted",
        "a temporary file of DVC; deleted",
    ]
    assert sorted(path.name for path in (project / "metrics").iterdir()) == [".teach.json.abc.tmp", "teach.json"]


def test_no_dvc_project(tmp_path: Path):
    with pytest.raises(UserError, match="no DVC project"):
        mend(tmp_path)
