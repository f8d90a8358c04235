"""Checkpoints: safetensors and JSON, never a pickle; whole or not there at all.

A checkpoint belongs to one training identity (parameters, inputs, code). One of another identity is not resumed from.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.atomic import atomic_folder, write_text
from pipeline.errors import ArtifactError

TENSORS, PROGRESS = "state.safetensors", "progress.json"


@dataclass
class Progress:
    """Where a training stands, besides tensors.

    Attributes:
        identity: of the training.
        step: optimiser steps done.
        best_step: the step of the best dev accuracy; -1 before the first evaluation.
        best_accuracy: that accuracy.
        history: one record an evaluation.
        covered: soft-label weight that batches covered, and all of it, summed over the steps so far.
        pending: losses of the steps since the last evaluation.
    """

    identity: str
    step: int = 0
    best_step: int = -1
    best_accuracy: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)
    covered: list[float] = field(default_factory=lambda: [0.0, 0.0])
    pending: list[float] = field(default_factory=list)


def save_checkpoint(
    folder: Path, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer, best: dict[str, Tensor]
) -> None:
    """Replace the checkpoint in a folder, atomically.

    Args:
        folder: of this training's checkpoints.
        progress: where training stands.
        model: its parameters and buffers are saved.
        optimizer: its state tensors are saved.
        best: the parameters of the best step.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if isinstance(value, Tensor)}
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    with atomic_folder(folder) as temporary:
        save_file(
            {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}, temporary / TENSORS
        )
        write_text(temporary / PROGRESS, json.dumps(asdict(progress), sort_keys=True))


def load_checkpoint(
    folder: Path, identity: str, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[Progress, dict[str, Tensor]] | None:
    """Put model, optimiser and random generators back to a checkpoint of this identity.

    Returns:
        The progress and the best parameters; None if there is no checkpoint, or only another training's.

    Raises:
        ArtifactError: if the checkpoint is damaged.
    """
    if not (folder / PROGRESS).exists():
        return None
    try:
        progress = Progress(**json.loads((folder / PROGRESS).read_text(encoding="utf-8")))
        if progress.identity != identity:
            return None
        tensors = load_file(folder / TENSORS)
        model.load_state_dict(_part(tensors, "model."))
        _load_optimizer(optimizer, _part(tensors, "optimizer."))
        torch.set_rng_state(tensors["random.cpu"])
        if torch.cuda.is_available() and "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"])
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise ArtifactError(
            folder, f"damaged checkpoint ({error}); delete the folder to train from the start"
        ) from None
    return progress, _part(tensors, "best.")


def clear_checkpoint(folder: Path) -> None:
    """Delete the checkpoint of a training that has ended, so that later code never resumes from it."""
    shutil.rmtree(folder, ignore_errors=True)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = value
    current = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": current["param_groups"]})
