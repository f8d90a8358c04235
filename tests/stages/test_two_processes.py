"""Training under `accelerate launch` with two processes on a CPU (gloo): the student of one process on the joined batches."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from imports import ROOT
from safetensors.torch import load_file
from tiny_project import write_project

from stages import neighborhoods, prepare, teach, tokenize, train
from stages.command import Project

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": [{"name": "soft"}]},
        {"loss": [{"name": "hard"}]},
        # Every process sees the whole batch's anchors, and its own rows.
        {"loss": [{"name": "soft"}, {"name": "corpus", "anchors": 40, "neighbors": 1}]},
        # The teacher's dimension is not the student's: the loss learns a projection.
        {"loss": [{"name": "soft"}, {"name": "mse"}], "chunk": 5, "gradient_accumulation": 2, "patience": 9},
    ],
    ids=["soft", "hard", "corpus", "mse in chunks, accumulated"],
)
def test_two_processes_train_the_student_of_one(tmp_path: Path, tiny_teacher: Path, settings: dict):
    root = write_project(tmp_path / "one", tiny_teacher, train={"steps": 12, "batch_size": 32, **settings})
    one = Project.open(root)
    for stage in (prepare, tokenize, teach, neighborhoods):
        stage.run(one)
    shutil.copytree(root, tmp_path / "two")
    train.run(one)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    if sys.platform == "linux":
        environment["GLOO_SOCKET_IFNAME"] = "lo"
    options = [
        "--cpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
    ]
    command = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        *options,
        "--main_process_port",
        "0",
        "-m",
        "stages.train",
    ]
    done = subprocess.run(command, cwd=tmp_path / "two", env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    two = Project.open(tmp_path / "two")
    students = [load_file(project.layout.student / "model.safetensors") for project in (one, two)]
    for name, value in students[0].items():
        torch.testing.assert_close(students[1][name], value, atol=1e-5, rtol=1e-4)
