"""Losses, and the contrastive objectives that most of them are made of.

An objective says what one matrix of student similarities (rows × columns) should look like; a loss applies it to views
of the batch. Every loss is a mean over rows (or over rows × columns), so the loss of several processes with equally
many rows is the mean of their losses.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from pipeline.losses.batch import Batch


class Objective(Protocol):
    """What one matrix of similarities should look like."""

    def against(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        """Fix the batch's target once; what is returned maps similarities [n, m] of any view of it to a scalar."""
        ...


class Loss(nn.Module):
    """A scalar to minimise, made of named parts.

    It is a module because it may have parameters of its own (`pipeline.losses.projection`): they are trained with the
    student's and belong in its checkpoints, but not in the saved student.
    """

    @abstractmethod
    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Scalars by name, weights included: their sum is the loss."""

    def forward(self, batch: Batch) -> Tensor:
        """The loss of a batch, a scalar with gradient."""
        return total(self.parts(batch))


class CrossLingual(Loss):
    """L_cross: an objective on x→y plus the same on y→x, with the same target in both directions.

    Its equation, for an objective ℓ: L_cross = ℓ(f(x_i)·f(y_j)) + ℓ(f(y_i)·f(x_j)).
    """

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """One part, ``cross``."""
        measure = self.objective.against(batch)
        return {"cross": measure(batch.similarities("x", "y")) + measure(batch.similarities("y", "x"))}


def total(parts: dict[str, Tensor]) -> Tensor:
    """The sum of a loss's parts, a scalar."""
    return torch.stack(list(parts.values())).sum()
