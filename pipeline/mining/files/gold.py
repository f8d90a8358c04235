"""Mining against BUCC's gold pairs of ids."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.ground.arrays import Rows
from pipeline.mining.files.units import Units
from pipeline.mining.judging.bucc import read_gold
from pipeline.mining.judging.threshold import Intervals, Quality, bootstrap, evaluate

RESAMPLES = 1_000


@dataclass(frozen=True)
class GoldResult:
    """What mining reached against gold pairs.

    Attributes:
        quality: precision and recall at the threshold.
        intervals: bootstrap intervals of the quality.
        tuned: whether the threshold was tuned on the same gold.
    """

    quality: Quality
    intervals: Intervals
    tuned: bool


def against_gold(
    scores: NDArray[np.float64], flags: NDArray[np.bool_], gold: int, threshold: float | None, tuned: bool
) -> GoldResult:
    """Quality of pairs [p] at a threshold (None: of all of them), with bootstrap intervals; see `threshold.bootstrap`."""
    limit = -np.inf if threshold is None else threshold
    intervals = bootstrap(scores, flags, gold, RESAMPLES, 0, None if tuned else limit)
    return GoldResult(evaluate(scores, flags, gold, limit), intervals, tuned)


def gold_units(path: Path, a: Units, b: Units) -> tuple[Rows, int]:
    """Gold pairs as pairs of units [g, 2], each once, and how many gold pairs there are.

    These may be more than g: a pair with a sentence that has no vector counts, but can't be found.

    Raises:
        InputError: if the file can't be read (`pipeline.mining.judging.bucc.read_gold`).
    """
    if a.ids is None or b.ids is None:
        raise ValueError("gold pairs need texts with ids")
    rows = read_gold(path, a.ids, b.ids)
    pairs = np.stack([a.of_row[rows[:, 0]], b.of_row[rows[:, 1]]], axis=1)
    there = (pairs >= 0).all(axis=1)
    found = np.unique(pairs[there], axis=0)
    return found, len(found) + int((~there).sum())
