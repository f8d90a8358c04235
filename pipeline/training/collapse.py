"""Collapse: a student that gives all sentences alike vectors, and how it is noticed.

Looked at are the cosines of dev sentences with the other side's sentences that are not their translations. In a student
that works they spread (the default run ends at mean 0.003, standard deviation 0.09, translations 0.85); where they are all
alike, and translations are like them, no similarity says anything any more. A student from nothing starts like that, so the
first steps don't count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config.train import Train
from pipeline.console.errors import UserError

MIN_DEVIATION = 0.01
"""Collapsed: a smaller standard deviation, with translations less than this above the mean."""
MAX_MEAN = 0.99
"""Collapsed: a larger mean."""
START_STEPS = 100
START_SHARE = 0.1
"""The start that doesn't count: so many steps, or this share of all, or the warm-up, whichever is longest."""
IN_A_ROW = 2
"""Evaluations that must agree: one may fall on a plateau."""


@dataclass(frozen=True)
class CosineSpread:
    """Cosines between two sides of n aligned sentences."""

    translations: float  # the mean over translations
    others: float  # the mean over all that are not translations
    deviation: float  # the standard deviation over all that are not translations

    def record(self) -> dict[str, float]:
        """Its numbers as series of the training's history."""
        names = ("cosine/translations", "cosine/others", "cosine/others_deviation")
        return dict(zip(names, (self.translations, self.others, self.deviation), strict=True))


def spread(x: NDArray[np.float32], y: NDArray[np.float32]) -> CosineSpread | None:
    """How cosines spread; None for fewer than two pairs.

    Exact, without the n × n cosines: Σ_ij x_i·y_j = Σx·Σy, and Σ_ij (x_i·y_j)² = ⟨XᵀX, YᵀY⟩. Holds both sides in float64.

    Args:
        x: L2-normalised vectors [n, d].
        y: the L2-normalised vectors of the translations, row by row [n, d].

    >>> eye = np.eye(2, dtype=np.float32)
    >>> spread(eye, eye)
    CosineSpread(translations=1.0, others=0.0, deviation=0.0)
    """
    if len(x) < 2:
        return None
    a, b = x.astype(np.float64), y.astype(np.float64)
    own = np.einsum("nd,nd->n", a, b)
    others = len(x) * (len(x) - 1)
    mean = (a.sum(axis=0) @ b.sum(axis=0) - own.sum()) / others
    square = (np.sum((a.T @ a) * (b.T @ b)) - np.sum(own**2)) / others
    return CosineSpread(float(own.mean()), float(mean), float(np.sqrt(max(square - mean**2, 0.0))))


def mean_spread(spreads: Sequence[CosineSpread]) -> CosineSpread | None:
    """The mean over language pairs; None without any."""
    if not spreads:
        return None
    values = np.mean([(part.translations, part.others, part.deviation) for part in spreads], axis=0)
    return CosineSpread(*(float(value) for value in values))


def looks_collapsed(record: Mapping[str, float], train: Train) -> bool:
    """Whether an evaluation's record, past the start, says that all similarities are alike."""
    start = max(START_STEPS, train.warmup_steps, START_SHARE * train.steps)
    if "cosine/others" not in record or record["step"] < start:
        return False
    mean, deviation = record["cosine/others"], record["cosine/others_deviation"]
    above = record["cosine/translations"] - mean
    return mean > MAX_MEAN or (deviation < MIN_DEVIATION and above < MIN_DEVIATION)


def refuse_collapse(history: Sequence[Mapping[str, float]], train: Train, checkpoints: str) -> None:
    """Stop a training whose student has collapsed; the message names the folder of the last good checkpoint.

    Raises:
        UserError: if the last `IN_A_ROW` evaluations look collapsed.
    """
    recent = history[-IN_A_ROW:]
    if len(recent) < IN_A_ROW or not all(looks_collapsed(record, train) for record in recent):
        return
    last = recent[-1]
    raise UserError(
        f"train: the student has collapsed by step {last['step']:.0f}: sentences that are not translations have a mean "
        f"cosine of {last['cosine/others']:.4f} (standard deviation {last['cosine/others_deviation']:.4f}), translations "
        f"{last['cosine/translations']:.4f}; the last good checkpoint stays in {checkpoints}/. Try a lower "
        "train.learning_rate, train.warmup_steps, max_grad_norm 1.0, a lower temperature.student or a larger batch_size"
    )
