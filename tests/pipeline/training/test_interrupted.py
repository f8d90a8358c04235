"""Training that is asked to stop by a signal."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from tiny_project import run_to_neighborhoods, write_project

from pipeline.console.interrupts import Interrupted, noted_interrupts, raised_interrupts
from pipeline.ground.hashing import folder_hash
from pipeline.training.checkpoint import read_progress
from pipeline.training.step import Steps
from stages import train
from stages.running.command import Project


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, tiny_teacher: Path) -> Path:
    root = write_project(tmp_path_factory.mktemp("taught"), tiny_teacher, pairs=300, train={"steps": 25})
    run_to_neighborhoods(root)
    return root


def _signalled(monkeypatch: pytest.MonkeyPatch, at: int, number: int) -> list[int]:
    """Let the process get a signal in the middle of a step; the list counts steps."""
    original, taken = Steps.take, [0]

    def take(self, progress):
        taken[0] += 1
        if taken[0] == at:
            os.kill(os.getpid(), number)
        return original(self, progress)

    monkeypatch.setattr(Steps, "take", take)
    return taken


@pytest.mark.parametrize(
    ("at", "number", "note"),
    [
        (7, signal.SIGTERM, " after step 7 of 25"),
        (20, signal.SIGINT, " after step 20 of 25"),  # an evaluation's step
        (25, signal.SIGHUP, " after the last step of training"),
    ],
)
def test_the_step_is_finished_and_saved_and_the_rest_gives_the_same_bytes(
    taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, number: int, note: str
):
    for name in ("whole", "stopped"):
        shutil.copytree(taught, tmp_path / name)
    whole, stopped = (Project.open(tmp_path / name) for name in ("whole", "stopped"))
    train.run(whole)
    with monkeypatch.context() as patch:
        _signalled(patch, at, number)
        with raised_interrupts(), pytest.raises(Interrupted) as caught:
            train.run(stopped)
    assert (caught.value.note, caught.value.exit_code) == (note, 128 + number)
    saved = read_progress(stopped.layout.checkpoints)
    assert saved is not None
    assert saved.step == at
    with monkeypatch.context() as patch:
        taken = _signalled(patch, -1, 0)
        train.run(stopped)
    assert taken == [25 - at]
    for name in ("student", "plots"):
        assert folder_hash(getattr(stopped.layout, name)) == folder_hash(getattr(whole.layout, name))
    assert (stopped.layout.metrics / "train.json").read_bytes() == (whole.layout.metrics / "train.json").read_bytes()


def test_a_second_signal_stops_at_once():
    with noted_interrupts() as request:
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.number == signal.SIGTERM
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raised_interrupts():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_forked_process_just_ends():
    with raised_interrupts():
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
