"""The loss that params.yaml describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.losses.combine import Term, build_loss
from pipeline.losses.objective import Loss

if TYPE_CHECKING:
    from pipeline.config.train import LossTerm, Train


def training_loss(train: Train, student_dimension: int, teacher_dimension: int, seed: int) -> Loss:
    """Build the loss: τ of teacher and student are a term's own, else those of ``train.temperature``."""
    terms = [Term(term.name, term.weight, _options(term, train)) for term in train.loss]
    return build_loss(terms, student_dimension=student_dimension, teacher_dimension=teacher_dimension, seed=seed)


def _options(term: LossTerm, train: Train) -> dict[str, Any]:
    temperature = term.temperature or train.temperature
    both = {"teacher_temperature": temperature.teacher, "student_temperature": temperature.student}
    options: dict[str, dict[str, Any]] = {
        "soft": both,
        "corpus": both,
        "hard": {"temperature": temperature.student, "margin": term.margin, "mask_duplicates": term.mask_duplicates},
        "kl": {"temperature": temperature.student},
        "similarity_mse": {},
        "mse": {},
    }
    return options[term.name] if term.tcm is None else {**options[term.name], "tcm": term.tcm}
