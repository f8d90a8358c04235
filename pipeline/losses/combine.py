"""Losses by name, and weighted sums of them: L = Σ_k weight_k · L_k."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, cast

from torch import Tensor, nn

from pipeline.console.errors import ParamsError
from pipeline.losses.batch import Batch
from pipeline.losses.corpus import CorpusLoss
from pipeline.losses.hard import Hard
from pipeline.losses.kl import KL
from pipeline.losses.mse import MSE
from pipeline.losses.objective import CrossLingual, Loss, Objective
from pipeline.losses.similarity_mse import SimilarityMSE
from pipeline.losses.soft import Soft
from pipeline.losses.tcm import TCM

OBJECTIVES: Mapping[str, Callable[..., Objective]] = {
    "soft": Soft,
    "hard": Hard,
    "kl": KL,
    "similarity_mse": SimilarityMSE,
}
NAMES = (*OBJECTIVES, "mse", "corpus")
"""What a term can be called."""


@dataclass(frozen=True)
class Term:
    """A loss and its weight in a sum.

    Attributes:
        name: one of `NAMES`.
        weight: its factor.
        options: the fields of the objective of that name (`Soft`, `Hard`, `KL`) or the temperatures of `CorpusLoss`; ``tcm``:
            λ of TCM, for every contrastive objective; without it (or None) only L_cross is taken.
    """

    name: str
    weight: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)


class WeightedSum(Loss):
    """The sum of weighted losses. Its parts are called ``term.part``, ``soft.cross`` for one."""

    def __init__(self, losses: Mapping[str, Loss], weights: Mapping[str, float]) -> None:
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


def build_loss(terms: Sequence[Term], *, student_dimension: int, teacher_dimension: int, seed: int = 0) -> WeightedSum:
    """The loss that terms describe.

    Args:
        terms: each name at most once.
        student_dimension: of the student's vectors.
        teacher_dimension: of `Batch.teacher` (MSE distillation learns a projection where the two differ).
        seed: of what losses draw at random.

    Raises:
        ParamsError: if there is no term, or one has an unknown name or option, comes twice, or has a weight or
            temperature that is not above zero.
    """
    if not terms:
        raise ParamsError(f"loss: found no term, expected at least one of {', '.join(NAMES)}")
    losses: dict[str, Loss] = {}
    for term in terms:
        if term.name in losses:
            raise ParamsError(f"loss: {term.name} stands there twice, expected each term once")
        if not term.weight > 0:
            raise ParamsError(f"loss: {term.name}: found weight {term.weight}, expected one above 0")
        losses[term.name] = _build(term, student_dimension, teacher_dimension, seed)
    return WeightedSum(losses, {term.name: term.weight for term in terms})


def _build(term: Term, student_dimension: int, teacher_dimension: int, seed: int) -> Loss:
    if term.name == "mse":
        _check_options(term, allowed=())
        return MSE(student_dimension, teacher_dimension, seed)
    if term.name == "corpus":
        _check_options(term, allowed=("teacher_temperature", "student_temperature"))
        return CorpusLoss(student_dimension, teacher_dimension, seed=seed, **term.options)
    if term.name not in OBJECTIVES:
        raise ParamsError(f"loss: found {term.name!r}, expected one of {', '.join(NAMES)}")
    kind: Any = OBJECTIVES[term.name]
    _check_options(term, allowed=(*(option.name for option in fields(kind)), "tcm"))
    objective = kind(**{key: value for key, value in term.options.items() if key != "tcm"})
    weight = term.options.get("tcm")
    return CrossLingual(objective) if weight is None else TCM(objective, weight)


def _check_options(term: Term, allowed: tuple[str, ...]) -> None:
    for option, value in term.options.items():
        if option not in allowed:
            known = ", ".join(allowed) or "none"
            raise ParamsError(f"loss: {term.name}: found option {option!r}, expected one of: {known}")
        if option.endswith("temperature") and not value > 0:
            raise ParamsError(f"loss: {term.name}: found {option} {value}, expected one above 0")
