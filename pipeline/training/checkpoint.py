"""Checkpoints: one safetensors file, never a pickle; whole or not there at all.

A checkpoint belongs to one training identity (parameters, inputs, code). One of another identity is not resumed from.
Frozen weights are not in it: they are what the training started from. Nothing in it depends on how many processes there
were, or on how parameters were spread over them. When training has ended, a last checkpoint with nothing
but the best parameters takes its place, so that a stop while the student is being written or recorded costs no step.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.console.errors import ArtifactError, DamagedError
from pipeline.ground.atomic import atomic_file
from pipeline.ground.file_checksum import blank, check_seal, seal
from pipeline.training.sharded import spread_like, whole_copies

log = logging.getLogger(__name__)

TENSORS = "state.safetensors"
PROGRESS = "progress"
"""The entry of the file's metadata that holds the progress as JSON: with the tensors, so that they can't disagree."""
LOAD_ERRORS = (OSError, ValueError, TypeError, LookupError, RuntimeError, SafetensorError)


@dataclass
class TrainingProgress:
    """Where a training stands, besides tensors."""

    identity: str  # the hash of all that the training depends on
    step: int = 0  # optimiser steps done
    best_step: int = -1  # the step of the best dev accuracy; -1 before the first evaluation
    best_accuracy: float = -1.0  # the best dev accuracy
    history: list[dict[str, float]] = field(default_factory=list)  # one record an evaluation
    # soft-label weight that batches covered, and all of it, summed over the steps so far
    covered: list[float] = field(default_factory=lambda: [0.0, 0.0])
    pending: list[float] = field(default_factory=list)  # losses of the steps since the last evaluation
    scaler: dict[str, float] = field(default_factory=dict)  # the state of fp16's loss scaling
    stopped_early: bool = False  # whether training ended because dev accuracy no longer grew
    ended: bool = False  # whether no step is left to do


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that are trained, and the buffers; not the frozen ones. What is spread stays spread."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name not in frozen}


def load_trained_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put back what `trained_state` gave, from whole tensors; all processes must call it.

    Raises:
        KeyError: if the state is another model's.
    """
    present = trained_state(model)
    if different := set(state) ^ set(present):
        raise KeyError(min(different))
    model.load_state_dict({name: spread_like(state[name], present[name]) for name in present}, strict=False)


def save_checkpoint(
    folder: Path,
    progress: TrainingProgress,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: Mapping[str, Tensor],
    writes: bool = True,
) -> None:
    """Replace the checkpoint in a folder, atomically; all processes must call it, the one that ``writes`` does.

    Saved are the trained parameters and buffers of the model, as they are now and (whole) at the best step, the optimiser's
    state tensors, and where training stands.
    """
    tensors = {f"model.{name}": value for name, value in trained_state(model).items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if isinstance(value, Tensor)}
    whole = whole_copies(tensors, writes)
    if writes:
        _write(folder, progress, whole | {f"best.{name}": value for name, value in best.items()})


def save_ended(folder: Path, progress: TrainingProgress, best: Mapping[str, Tensor]) -> None:
    """Replace the checkpoint by the best parameters of a training that has ended."""
    progress.ended = True
    _write(folder, progress, {f"best.{name}": value for name, value in best.items()})


def read_progress(folder: Path) -> TrainingProgress | None:
    """Where the training of a folder's checkpoint stands; None if there is none that can be used.

    A damaged one is named in a line of the log: it costs its steps, and nothing else.
    """
    path = folder / TENSORS
    if not path.exists():
        return None
    try:
        check_seal(path)
        with safe_open(path, framework="pt") as opened:
            return TrainingProgress(**json.loads(opened.metadata()[PROGRESS]))
    except (DamagedError, *LOAD_ERRORS):
        log.warning("%s: a damaged checkpoint, or another version's; training starts from its first step", path)
        return None


def load_checkpoint(
    folder: Path, identity: str, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[TrainingProgress, dict[str, Tensor]] | None:
    """Put model and optimiser back to a checkpoint of this identity; one that has ended leaves them as they are.

    Returns the progress and the best trained parameters, whole; None if there is no checkpoint, or only another training's.
    All processes must call it.

    Raises:
        ArtifactError: if the checkpoint is damaged.
    """
    progress = read_progress(folder)
    if progress is None or progress.identity != identity:
        return None
    try:
        tensors = load_file(folder / TENSORS)
        if not progress.ended:
            load_trained_state(model, _part(tensors, "model."))
            _load_optimizer(optimizer, _part(tensors, "optimizer."))
    except LOAD_ERRORS as error:
        problem = f"damaged checkpoint ({error}); delete the folder to train from the start"
        raise ArtifactError(folder, problem) from None
    return progress, _part(tensors, "best.")


def _write(folder: Path, progress: TrainingProgress, tensors: dict[str, Tensor]) -> None:
    about = json.dumps(asdict(progress), sort_keys=True)
    with atomic_file(folder / TENSORS) as temporary:
        save_file(tensors, temporary, metadata={PROGRESS: about, **blank()})
        seal(temporary)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name in sorted(tensors):  # in the same order on all processes
        index, _, key = name.partition(".")
        value, parameter = tensors[name], parameters[int(index)]
        # What there is of each value of a parameter lies where the parameter lies; the number of steps is whole.
        spread = key != "step" and value.shape == parameter.shape
        state.setdefault(int(index), {})[key] = spread_like(value, parameter) if spread else value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
