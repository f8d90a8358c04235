"""The loss that params.yaml describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.train import LossTerm, Tempered
from pipeline.losses.combine import build_loss
from pipeline.losses.objective import Loss

if TYPE_CHECKING:
    from pipeline.config.train import Train


def training_loss(train: Train, student_dimension: int, teacher_dimension: int, seed: int) -> Loss:
    """Build the loss: τ of teacher and student are a term's own, else those of ``train.temperature``."""
    terms = [_with_temperatures(term, train) for term in train.loss]
    return build_loss(terms, student_dimension=student_dimension, teacher_dimension=teacher_dimension, seed=seed)


def _with_temperatures(term: LossTerm, train: Train) -> LossTerm:
    if isinstance(term, Tempered) and term.temperature is None:
        return term.model_copy(update={"temperature": train.temperature})
    return term
