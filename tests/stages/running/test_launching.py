"""Which Accelerate configurations the stage train starts under, and which it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from accelerate import Accelerator
from accelerate.utils import DistributedType
from tiny_project import write_project

from pipeline.console.errors import InputError, UserError
from pipeline.training.devices import parts_of, refuse_unsupported
from stages.running import launching
from stages.running.command import Project


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    commands: list[list[str]] = []
    monkeypatch.setattr(launching.os, "execv", lambda program, command: commands.append(command))
    for name in (*launching.LAUNCHED, "ACCELERATE_USE_CPU"):
        monkeypatch.delenv(name, raising=False)
    return commands


def project(root: Path, content: str | None = None, name: str | None = "accelerate.yaml") -> Project:
    found = write_project(root, root, pairs=3, compute={"accelerate_config": name})
    if content is not None:
        (root / "accelerate.yaml").write_text(content)
    return Project.open(found)


def test_the_stage_becomes_accelerate_launch(tmp_path: Path, started: list[list[str]], monkeypatch: pytest.MonkeyPatch):
    own = project(tmp_path, "distributed_type: MULTI_GPU\nuse_cpu: true\nnum_processes: 2\n")
    launching.launch_again(own, "train")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(tmp_path / "accelerate.yaml")]
    assert started == [[*command, "-m", "stages.train", "--project", str(tmp_path)]]
    assert launching.os.environ.pop("ACCELERATE_USE_CPU") == "true"
    monkeypatch.setenv("LOCAL_RANK", "0")
    launching.launch_again(own, "train")
    assert len(started) == 1  # it is one of the processes


def test_without_a_configuration_the_stage_is_one_process(tmp_path: Path, started: list[list[str]]):
    launching.launch_again(project(tmp_path, name=None), "train")
    assert started == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no such file; compute.accelerate_config expects what `accelerate config` wrote"),
        ("a: [", "not readable as YAML"),
        ("train: 3\n", "no Accelerate configuration: distributed_type is missing"),
        (
            "distributed_type: MULTI_CPU\nnum_processes: 4\n",
            "found MULTI_CPU with num_processes 4, of which Accelerate starts",
        ),
    ],
)
def test_what_is_no_configuration_is_refused(
    tmp_path: Path, started: list[list[str]], content: str | None, problem: str
):
    with pytest.raises(InputError, match=problem) as caught:
        launching.launch_again(project(tmp_path, content), "train")
    assert str(tmp_path / "accelerate.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert started == []


class Fake:
    """An accelerator as a configuration would make it."""

    def __init__(self, kind: DistributedType, fsdp2: bool = False, accumulation: int = 1, processes: int = 1) -> None:
        self.distributed_type, self.is_fsdp2 = kind, fsdp2
        self.gradient_accumulation_steps, self.num_processes = accumulation, processes


@pytest.mark.parametrize(
    ("fake", "problem"),
    [
        (
            Fake(DistributedType.DEEPSPEED),
            "distributed_type: found DEEPSPEED; expected NO, MULTI_CPU, MULTI_GPU or FSDP",
        ),
        (Fake(DistributedType.FSDP), "fsdp_version: found 1; expected 2"),
        (Fake(DistributedType.NO, accumulation=4), "gradient_accumulation_steps: found 4; expected 1"),
    ],
)
def test_what_training_can_t_do_is_refused(fake: Fake, problem: str):
    with pytest.raises(UserError, match=problem):
        refuse_unsupported(fake)


def test_processes_that_would_train_alone_are_refused(monkeypatch: pytest.MonkeyPatch):
    refuse_unsupported(Accelerator(cpu=True))
    refuse_unsupported(Fake(DistributedType.FSDP, fsdp2=True))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="2 processes were started, of which each would train alone"):
        refuse_unsupported(Fake(DistributedType.NO))


def test_parts_are_a_batch_again():
    import numpy as np

    for rows in (2, 7, 32):
        parts = parts_of(np.arange(rows), 2)
        assert np.concatenate(parts).tolist() == list(range(rows))
        assert abs(len(parts[0]) - len(parts[1])) <= 1
