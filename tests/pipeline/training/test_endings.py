"""Trainings that end before their last step, and go on after a stop: the trainer on a tiny project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from tiny_project import run_to_neighborhoods, write_project

from pipeline.config.train import Train
from pipeline.console.errors import UserError
from pipeline.ground.hashing import folder_hash
from pipeline.training import collapse
from pipeline.training.checkpoint import load_checkpoint, read_progress, trained_state
from pipeline.training.step import Steps
from pipeline.training.trainer import BatchPlan, Trainer
from stages import tokenize, train
from stages.running.command import Project


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, tiny_teacher: Path) -> Path:
    """A project up to and including the stage neighborhoods."""
    root = write_project(tmp_path_factory.mktemp("project"), tiny_teacher, pairs=300)
    run_to_neighborhoods(root)
    return root


def _with(root: Path, destination: Path, **sections: dict) -> Project:
    """The same artifacts with other parameters, in a folder of their own."""
    shutil.copytree(root, destination)
    teacher = Path(Project.open(root).params.teacher.model)
    project = Project.open(write_project(destination, teacher, pairs=300, **sections))
    if "student" in sections:
        tokenize.run(project)
    return project


def _metrics(project: Project) -> dict:
    return json.loads((project.layout.metrics / "train.json").read_text())


def _stopping(monkeypatch: pytest.MonkeyPatch, after: int) -> list[int]:
    """Let training be interrupted after so many steps; the list counts them."""
    original, taken = Steps.take, [0]

    def take(self, progress):
        if taken[0] == after:
            raise KeyboardInterrupt
        taken[0] += 1
        return original(self, progress)

    monkeypatch.setattr(Steps, "take", take)
    return taken


LORA = {"kind": "pretrained", "lora": {"rank": 2, "dropout": 0.1}}
SMALL = {"kind": "transformer", "transformer": {"hidden_size": 16, "layers": 1, "heads": 2, "intermediate_size": 16}}
SLOW = {"steps": 30, "eval_every": 4, "checkpoint_every": 5, "batch_size": 24, "chunk": 5, "gradient_accumulation": 2}


@pytest.mark.parametrize(
    ("student", "settings"),
    [
        ({}, {"steps": 24, "chunk": 5, "gradient_accumulation": 3, "loss": [{"name": "soft"}, {"name": "mse"}]}),
        (SMALL, {**SLOW, "steps": 14, "learning_rate": 0.001}),
        (LORA, {**SLOW, "learning_rate": 1e-8, "patience": 3}),
    ],
    ids=["static, a loss that learns", "transformer with dropout", "lora, early stopping"],
)
def test_stopped_in_the_middle_of_an_epoch_it_goes_on_to_the_same_bytes(
    taught: Path, tmp_path: Path, tiny_xlmr: Path, monkeypatch: pytest.MonkeyPatch, student: dict, settings: dict
):
    if student.get("kind") == "pretrained":
        student = {**student, "model": str(tiny_xlmr)}
    sections = {"train": settings} | ({"student": student} if student else {})
    whole, stopped = _with(taught, tmp_path / "whole", **sections), _with(taught, tmp_path / "stopped", **sections)
    train.run(whole)
    with monkeypatch.context() as patch:
        _stopping(patch, after=11 if student else 20)
        with pytest.raises(KeyboardInterrupt):
            train.run(stopped)
    assert stopped.layout.checkpoints.exists()
    with monkeypatch.context() as patch:
        taken = _stopping(patch, after=1000)
        train.run(stopped)
    assert taken[0] == _metrics(whole)["steps"] - (10 if student else 15)
    assert folder_hash(stopped.layout.student) == folder_hash(whole.layout.student)
    assert (stopped.layout.metrics / "train.json").read_bytes() == (whole.layout.metrics / "train.json").read_bytes()
    assert folder_hash(stopped.layout.plots) == folder_hash(whole.layout.plots)
    if "patience" in settings:
        metrics = _metrics(whole)
        assert metrics["stopped_early"]
        assert metrics["steps"] == metrics["best_step"] + 3 * 4


def test_an_adapter_s_checkpoint_holds_no_frozen_weights(
    taught: Path, tmp_path: Path, tiny_xlmr: Path, monkeypatch: pytest.MonkeyPatch
):
    from safetensors.torch import load_file

    student = {**LORA, "model": str(tiny_xlmr)}
    project = _with(
        taught, tmp_path / "p", student=student, train={"steps": 30, "batch_size": 16, "checkpoint_every": 5}
    )
    _stopping(monkeypatch, after=7)
    with pytest.raises(KeyboardInterrupt):
        train.run(project)
    names = set(load_file(project.layout.checkpoints / "state.safetensors"))
    parameters = {name for name in names if name.startswith(("model.", "best.")) and "position_ids" not in name}
    assert parameters
    assert all("lora_" in name or "token_type_ids" in name for name in parameters)


def test_patience_keeps_the_best_and_says_so(taught: Path, tmp_path: Path):
    project = _with(taught, tmp_path / "p", train={"steps": 100, "patience": 2, "learning_rate": 1e-9})
    train.run(project)
    metrics = _metrics(project)
    assert (metrics["stopped_early"], metrics["steps"], metrics["best_step"]) == (True, 30, 10)
    short = _with(taught, tmp_path / "q", train={"steps": 10, "learning_rate": 1e-9, "patience": 2})
    train.run(short)
    assert folder_hash(short.layout.student) != ""
    assert _metrics(short)["stopped_early"] is False


def test_patience_needs_a_dev_set(taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project = _with(taught, tmp_path / "p", train={"patience": 2})
    monkeypatch.setattr(train, "read_dev", lambda project: [])
    with pytest.raises(UserError, match=r"train\.patience: found 2, but there is no dev set") as caught:
        train.run(project)
    assert "\n" not in str(caught.value)


def _series(project: Project, name: str) -> list[float]:
    path = project.layout.plots / "train" / "plots" / "metrics" / f"{name}.tsv"
    return [float(line.split("\t")[-1]) for line in path.read_text().splitlines()[1:]]


@pytest.mark.parametrize("dev", [True, False])
def test_a_collapsed_student_stops_the_training(
    taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dev: bool
):
    project = _with(taught, tmp_path / "p", train={"steps": 200, "checkpoint_every": 10})
    if not dev:
        monkeypatch.setattr(train, "read_dev", lambda project: [])
    monkeypatch.setattr(collapse, "START_STEPS", 20)

    def pull_together(self, vectors, *rest):
        half = len(vectors) // 2
        return -(vectors[:half] @ vectors[half:].T).mean()

    monkeypatch.setattr(Steps, "_loss_of", pull_together)
    with pytest.raises(UserError, match="the student has collapsed by step") as caught:
        train.run(project)
    assert "the last good checkpoint stays" in str(caught.value)
    assert not project.layout.student.exists()
    saved = read_progress(project.layout.checkpoints)
    assert saved is not None
    assert not collapse.looks_collapsed(saved.history[-1], project.params.train)
    assert _series(project, "cosine/others")[-1] > 0.98


def test_a_student_that_learns_has_its_cosines_recorded(taught: Path, tmp_path: Path):
    project = _with(taught, tmp_path / "p")
    train.run(project)
    assert len(_series(project, "cosine/others")) == 4
    assert _series(project, "cosine/translations")[-1] > _series(project, "cosine/others")[-1] + 0.02
    assert _series(project, "cosine/others_deviation")[-1] > 0.02
    assert _metrics(project)["stopped_early"] is False


@pytest.mark.parametrize("eval_every", [10, 1000])
def test_parameters_that_are_no_numbers_are_never_saved(
    taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eval_every: int
):
    project = _with(taught, tmp_path / "p", train={"eval_every": eval_every, "checkpoint_every": 10, "steps": 60})
    original = Steps.take

    def take(self, progress):
        loss = original(self, progress)
        if progress.step == 19:  # the last before a checkpoint: its loss was still a number
            with torch.no_grad():
                self.student.weight[7, 0] = float("nan")
        return loss

    monkeypatch.setattr(Steps, "take", take)
    with pytest.raises(UserError, match=r"parameter student\.weight has values that are no numbers after step 20"):
        train.run(project)
    saved = read_progress(project.layout.checkpoints)
    assert saved is not None
    assert saved.step == 10
    assert not project.layout.student.exists()


def test_frozen_parameters_are_no_state():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    model[0].weight.requires_grad_(False)
    assert set(trained_state(model)) == {
        "0.bias",
        *(f"1.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")),
    }
    assert load_checkpoint(Path("nowhere"), "", model, torch.optim.AdamW(model.parameters())) is None


def test_epochs_plan_the_batches_once(taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = []
    monkeypatch.setattr("pipeline.training.trainer.BatchPlan", lambda *args: made.append(1) or BatchPlan(*args))
    one = torch.zeros(1)
    pairs = SimpleNamespace(rows_a=range(100), points=None, neighbors=None, weights=None)
    trainer = Trainer(
        Accelerator(cpu=True),
        one,
        one,
        [pairs],
        [],
        Train(epochs=2.5, batch_size=10, gradient_accumulation=2),
        0,
        "",
        tmp_path,
        print,
    )
    assert trainer.config.steps == 13
    assert trainer.plan.batches_per_epoch == 10
    assert len(made) == 1
