"""Precision against threshold from a person's answers, with a band that one can defend.

Let h be a stratum (`pipeline.mining.judging.strata`), N_h(t) its pairs of score at least t, and p_h(t) the share of right
ones among the answered of them. At threshold t

    p(t) = Σ_h N_h(t)·p_h(t) / Σ_h N_h(t),        var p(t) = Σ_h W_h² · q_h·(1 - q_h) / n_h,   W_h = N_h(t) / Σ N(t)

with n_h answers of the stratum at or above t, and q_h its share drawn towards the whole sample's (two answers' worth), so
that a stratum without an error is not taken for one without variance. The interval is Wilson's (1927) for the effective
number of answers q·(1 - q) / var p, which keeps its coverage near a precision of 1, where a bootstrap or a normal interval
has none.

A threshold is *chosen* by looking at many, so its bound must hold at all of them together: the band's critical value is the
95 % quantile of the largest standardised deviation over all thresholds, found by drawing answers anew from q_h.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.ground.arrays import Floats
from pipeline.mining.judging.strata import Stratum

LEVEL = 0.95
Z_TWO_SIDED = 1.959964
DRAWS = 2000
"""Answers drawn anew for the band's critical value."""
PRIOR = 2.0
"""Answers' worth by which a stratum's share is drawn towards the whole sample's."""


@dataclass(frozen=True)
class Curve:
    """Precision at each of some thresholds, greatest first; arrays are [t].

    Attributes:
        threshold: pairs of at least this score are kept.
        kept: how many pairs that are.
        answered: how many of them were answered.
        precision: the estimated share of right pairs among those kept.
        low: the lower end of the 95 % interval at this threshold alone.
        high: the upper end.
        bound: what the precision is at least, with 95 % confidence at all thresholds together.
    """

    threshold: Floats
    kept: NDArray[np.int64]
    answered: NDArray[np.int64]
    precision: Floats
    low: Floats
    high: Floats
    bound: Floats

    def choose(self, precision: float) -> int | None:
        """The place of the lowest threshold that has at least a precision with 95 % confidence; None: there is none."""
        found = np.flatnonzero(self.bound >= precision)
        return int(found[-1]) if len(found) else None

    def more_for_half(self, place: int) -> int:
        """How many more answers would narrow the interval at a threshold by half: its width falls with the root of them."""
        return 3 * int(self.answered[place])


@dataclass(frozen=True)
class _Counts:
    """Of each threshold and stratum [t, s]: the pairs kept, the answers among them, and the right ones of these."""

    kept: Floats
    answers: Floats
    right: Floats


def precision_curve(
    scores: Floats, strata: Sequence[Stratum], answers: Mapping[int, float], seed: int, steps: int = 50
) -> Curve:
    """The curve from answers.

    Args:
        scores: the score of every pair [n].
        strata: the sample that was asked about.
        answers: the verdict on each row answered: 1 a translation, 0 none, or between where judges differ.
        seed: the seed of the band's draws.
        steps: thresholds, at most: quantiles of the answered pairs' scores.

    Raises:
        ValueError: if there is no answer.
    """
    strata = _with_answers(strata, answers)
    asked = [np.array([row for row in one.drawn.tolist() if row in answers], dtype=np.int64) for one in strata]
    found = np.unique(scores[np.concatenate(asked)])[::-1]
    thresholds = np.unique(found[np.unique(np.linspace(0, len(found) - 1, steps).round().astype(int))])[::-1]
    counts = _count(scores, strata, asked, answers, thresholds)
    weights = counts.kept / counts.kept.sum(axis=1, keepdims=True)
    smooth = _smoothed(counts)
    precision = (weights * _share(counts)).sum(axis=1)
    # Answers may be fewer than pairs by little: a stratum that was answered as a whole has no variance left.
    unseen = np.clip(1 - counts.answers / np.maximum(counts.kept, 1), 0, 1)
    variance = (weights**2 * smooth * (1 - smooth) * unseen / np.maximum(counts.answers, 1)).sum(axis=1)
    middle = (weights * smooth).sum(axis=1)
    effective = np.divide(middle * (1 - middle), variance, out=np.full(len(middle), np.inf), where=variance > 0)
    low, high = wilson(precision, effective, Z_TWO_SIDED)
    bound, _ = wilson(precision, effective, _critical(counts, weights, smooth, np.sqrt(variance), seed))
    kept, answered = counts.kept.sum(axis=1).astype(np.int64), counts.answers.sum(axis=1).astype(np.int64)
    return Curve(thresholds, kept, answered, precision, low, high, bound)


def wilson(share: Floats, size: Floats, z: float) -> tuple[Floats, Floats]:
    """Wilson's score interval of shares [t] of ``size`` trials [t] (infinite: the share itself).

    >>> low, high = wilson(np.array([1.0]), np.array([50.0]), 1.959964)
    >>> [round(float(value), 4) for value in (low[0], high[0])]
    [0.9287, 1.0]
    """
    correction = z**2 / size
    middle = (share + correction / 2) / (1 + correction)
    half = z / (1 + correction) * np.sqrt(share * (1 - share) / size + correction / (4 * size))
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def _with_answers(strata: Sequence[Stratum], answers: Mapping[int, float]) -> list[Stratum]:
    """Strata of which each has an answer: one without is joined to the better one before it (or to the next)."""
    joined: list[Stratum] = []
    waiting = np.empty(0, dtype=np.int64)
    for one in strata:
        if not any(row in answers for row in one.drawn.tolist()):
            if joined:
                joined[-1] = Stratum(np.concatenate([joined[-1].rows, one.rows]), joined[-1].drawn)
            else:
                waiting = np.concatenate([waiting, one.rows])
            continue
        joined.append(Stratum(np.concatenate([waiting, one.rows]), one.drawn))
        waiting = np.empty(0, dtype=np.int64)
    if not joined:
        raise ValueError("no pair of the sample was answered")
    return joined


def _count(
    scores: Floats,
    strata: Sequence[Stratum],
    asked: Sequence[NDArray[np.int64]],
    answers: Mapping[int, float],
    thresholds: Floats,
) -> _Counts:
    kept, number, right = (np.zeros((len(thresholds), len(strata))) for _ in range(3))
    for place, (stratum, rows) in enumerate(zip(strata, asked, strict=True)):
        all_scores = np.sort(scores[stratum.rows])
        kept[:, place] = len(all_scores) - np.searchsorted(all_scores, thresholds, side="left")
        order = np.argsort(-scores[rows], kind="stable")
        values = np.array([answers[int(row)] for row in rows])[order]
        # How many of the answered are at or above each threshold, and how many of these are right.
        above = np.searchsorted(-scores[rows][order], -thresholds, side="right")
        number[:, place] = above
        right[:, place] = np.concatenate([[0.0], np.cumsum(values)])[above]
    # A stratum of which nothing at or above the threshold was answered speaks by all its answers.
    silent = (number == 0) & (kept > 0)
    number, right = np.where(silent, number[-1], number), np.where(silent, right[-1], right)
    return _Counts(kept, np.where(kept > 0, number, 0), np.where(kept > 0, right, 0))


def _share(counts: _Counts) -> Floats:
    share: Floats = counts.right / np.maximum(counts.answers, 1)
    return share


def _smoothed(counts: _Counts) -> Floats:
    """Shares [t, s] that are drawn towards the whole sample's at the same threshold."""
    total, right = counts.answers.sum(axis=1, keepdims=True), counts.right.sum(axis=1, keepdims=True)
    whole = (right + 1) / (total + 2)
    shares: Floats = (counts.right + PRIOR * whole) / (counts.answers + PRIOR)
    return shares


def _critical(counts: _Counts, weights: Floats, smooth: Floats, deviation: Floats, seed: int) -> float:
    """The 95 % quantile of the largest standardised overestimate over all thresholds.

    Answers at neighbouring thresholds are largely the same: what each threshold adds to those above it is drawn by itself,
    from the highest down, and summed.
    """
    generator = np.random.default_rng(seed)
    fresh = np.diff(counts.answers, axis=0, prepend=0.0).clip(min=0).astype(np.int64)
    drawn = generator.binomial(fresh, smooth, size=(DRAWS, *fresh.shape)).cumsum(axis=1)
    size = np.maximum(fresh.cumsum(axis=0), 1)
    truth = np.where(fresh.cumsum(axis=0) > 0, (fresh * smooth).cumsum(axis=0) / size, smooth)
    error = ((drawn / size - truth) * weights).sum(axis=2)
    standard = np.divide(error, deviation, out=np.zeros_like(error), where=deviation > 0)
    # Never less than one threshold's own one-sided value.
    return max(float(np.quantile(standard.max(axis=1), LEVEL)), 1.644854)
