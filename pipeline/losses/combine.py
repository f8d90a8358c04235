"""Weighted sums of losses: L = Σ_k weight_k · L_k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor, nn

from pipeline.config.train import LossTerm
from pipeline.losses.batch import Batch
from pipeline.losses.objective import Loss


class WeightedSum(Loss):
    """The sum of weighted losses. Its parts are called ``term.part``, ``soft.cross`` for one."""

    def __init__(self, losses: Mapping[str, nn.Module], weights: Mapping[str, float]) -> None:
        super().__init__()
        self.losses = nn.ModuleDict(losses)
        self.weights = dict(weights)

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Every part of every term, weights included."""
        return {
            f"{name}.{part}": self.weights[name] * value
            for name, loss in self.losses.items()
            for part, value in cast(Loss, loss).parts(batch).items()
        }


def build_loss(
    terms: Sequence[LossTerm], *, student_dimension: int, teacher_dimension: int, seed: int = 0
) -> WeightedSum:
    """The loss that terms describe.

    Args:
        terms: at least one, each name at most once.
        student_dimension: numbers in the student's vectors.
        teacher_dimension: numbers in the vectors of `Batch.teacher`.
        seed: the seed of what losses draw at random.
    """
    losses = {term.name: term.build(student_dimension, teacher_dimension, seed) for term in terms}
    return WeightedSum(losses, {term.name: term.weight for term in terms})
