"""Stages and `dvc repro` killed at random moments, and stopped by signals; see `tests/helpers/kills.py`, which does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from imports import ROOT

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("SOFTALIGN_KILLS", "9"))
"""More of them: ``SOFTALIGN_KILLS=200 pytest tests/faults/test_kills.py``."""

SEED = os.environ.get("SOFTALIGN_KILLS_SEED", "1")


@pytest.fixture(scope="module")
def summary() -> dict:
    options = ["--kills", str(KILLS), "--stops", str(max(2, KILLS // 4)), "--seed", SEED]
    if KILLS >= 100:
        options += ["--walks", str(KILLS // 50)]
    command = [sys.executable, str(ROOT / "tests" / "helpers" / "kills.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120 + 60 * KILLS)
    *_, last = done.stdout.splitlines() or ["{}"]
    summary = json.loads(last)
    assert done.returncode in (0, 1) and "killed" in summary, done.stdout + done.stderr
    return {**summary, "log": done.stdout}


def test_killed_and_run_again_every_byte_is_that_of_an_uninterrupted_run(summary: dict):
    assert summary["killed"] > KILLS / 2
    assert summary["wrong"] == 0, summary["log"]


def test_nothing_temporary_stays(summary: dict):
    assert summary["left something"] == 0, summary["log"]


def test_at_most_one_shard_and_the_steps_since_the_last_checkpoint_are_done_again(summary: dict):
    assert summary["most redone"]["sentences"] <= summary["largest shard"]
    assert summary["most redone"]["steps"] <= summary["checkpoint every"]


def test_asked_to_stop_a_stage_says_one_line_and_cleans_up(summary: dict):
    assert summary["stopped"] > 0
    assert summary["stopped badly"] == 0, summary["log"]
