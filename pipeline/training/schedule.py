"""The learning rate by step: a pure function, so that there is no state to save."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config.train import Train


def learning_rate(step: int, train: Train) -> float:
    """The learning rate of a step (from 0): linear warm-up to the peak, then the schedule's decay to zero.

    >>> from pipeline.config.train import Train
    >>> train = Train(steps=10, learning_rate=1.0, warmup_steps=2, schedule="linear")
    >>> [learning_rate(step, train) for step in (0, 1, 2, 9)]
    [0.5, 1.0, 1.0, 0.125]
    """
    if step < train.warmup_steps:
        return train.learning_rate * (step + 1) / train.warmup_steps
    left = (train.steps - step) / max(train.steps - train.warmup_steps, 1)
    left = min(max(left, 0.0), 1.0)
    if train.schedule == "linear":
        return train.learning_rate * left
    if train.schedule == "cosine":
        return train.learning_rate * 0.5 * (1 - math.cos(math.pi * left))
    return train.learning_rate
