"""The loss that params.yaml describes."""

from __future__ import annotations

from typing import Any

from pipeline.config import LossTerm, Train
from pipeline.losses.combine import Term, build_loss
from pipeline.losses.objective import Loss


def training_loss(train: Train, student_dimension: int, teacher_dimension: int, seed: int) -> Loss:
    """Build the loss: τ of teacher and student are those of ``train.temperature`` in every term."""
    terms = [Term(term.name, term.weight, _options(term, train)) for term in train.loss]
    return build_loss(terms, student_dimension=student_dimension, teacher_dimension=teacher_dimension, seed=seed)


def _options(term: LossTerm, train: Train) -> dict[str, Any]:
    teacher, student = train.temperature.teacher, train.temperature.student
    options: dict[str, dict[str, Any]] = {
        "soft": {"teacher_temperature": teacher, "student_temperature": student},
        "hard": {"temperature": student, "margin": term.margin, "mask_duplicates": term.mask_duplicates},
        "kl": {"temperature": student},
        "similarity_mse": {},
        "mse": {},
    }
    chosen = options[term.name]
    return chosen if term.tcm is None or term.name == "mse" else {**chosen, "tcm": term.tcm}
