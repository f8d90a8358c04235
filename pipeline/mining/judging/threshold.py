"""Thresholds of the score, by BUCC's procedure (Zweigenbaum et al. 2017), with a bootstrap interval.

Candidates are sorted by score and accepted one after the other; where F1 against the gold pairs is best, the threshold
is the midpoint between the last accepted score and the next. A pair is accepted if its score is at least the
threshold. Candidates of equal score are accepted together, since no threshold can part them. A threshold tuned on one
set is frozen and applied to another; a score from one model says nothing about another model's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.console.errors import UserError
from pipeline.ground.arrays import Floats

Flags = NDArray[np.bool_]


class GoldError(UserError):
    """Gold pairs that nothing can be tuned or measured on."""


@dataclass(frozen=True)
class Quality:
    """How right a set of extracted pairs is.

    Attributes:
        extracted: pairs at or above the threshold.
        correct: gold pairs among them.
        gold: gold pairs that there are, found or not.
    """

    extracted: int
    correct: int
    gold: int

    @property
    def precision(self) -> float:
        """Correct pairs among the extracted; 0 when nothing was extracted."""
        return self.correct / self.extracted if self.extracted else 0.0

    @property
    def recall(self) -> float:
        """Gold pairs that were extracted."""
        return self.correct / self.gold

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.correct / (self.extracted + self.gold)


@dataclass(frozen=True)
class Threshold:
    """A threshold and what it reaches on the set that it was tuned on.

    Attributes:
        value: accept a pair whose score is at least this; infinite when no candidate is right.
        quality: what it reaches on the tuning set.
    """

    value: float
    quality: Quality


@dataclass(frozen=True)
class Interval:
    """A percentile interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """Bootstrap intervals.

    Attributes:
        threshold: the interval of the tuned threshold; the fixed one twice when one was given.
        precision: the interval of the precision at the threshold.
        recall: the interval of the recall at the threshold.
        f1: the interval of F1 at the threshold.
    """

    threshold: Interval
    precision: Interval
    recall: Interval
    f1: Interval


def explain_infinite(threshold: float | None, gold: int) -> str:
    """What is to be said of a tuned threshold that accepts nothing; empty for any other.

    Args:
        threshold: the threshold that `tune` gave.
        gold: the number of true pairs that it was tuned on.
    """
    if threshold is None or threshold != math.inf:
        return ""
    return (
        f"the threshold is infinite, so nothing is accepted: of {gold:,} true pairs none is among the candidates. The model "
        "doesn't find translations in this text: are the files that the true pairs come from aligned, line by line?"
    )


def tune(scores: Floats, is_gold: Flags, gold_total: int) -> Threshold:
    """The threshold of the best F1.

    Args:
        scores: the scores of the candidates (one-to-one pairs), in any order [p].
        is_gold: whether each is a gold pair [p].
        gold_total: the number of gold pairs that there are, whether among the candidates or not.

    Raises:
        GoldError: if there are no gold pairs, or fewer than the candidates' flags say.

    >>> tune(np.array([0.9, 0.8, 0.2]), np.array([True, True, False]), 2).value
    0.5
    """
    _check(scores, is_gold, gold_total)
    order = np.argsort(-scores, kind="stable")
    steps = _steps(scores[order])
    value, extracted, correct = _sweep(scores[order], steps, is_gold[order].astype(np.float64), None, gold_total)
    return Threshold(value, Quality(int(extracted), int(correct), gold_total))


def evaluate(scores: Floats, is_gold: Flags, gold_total: int, threshold: float) -> Quality:
    """What a frozen threshold reaches. Arguments and errors as in `tune`."""
    _check(scores, is_gold, gold_total)
    accepted = scores >= threshold
    return Quality(int(accepted.sum()), int((accepted & is_gold).sum()), gold_total)


def bootstrap(
    scores: Floats,
    is_gold: Flags,
    gold_total: int,
    resamples: int,
    seed: int,
    threshold: float | None = None,
    level: float = 0.95,
) -> Intervals:
    """Percentile intervals over resamples (with replacement) of the candidates and of the gold pairs that were missed.

    Args:
        scores: the candidates' scores, as for `tune`.
        is_gold: the candidates' flags, as for `tune`.
        gold_total: the number of gold pairs that there are.
        resamples: the number of resamples.
        seed: the seed of NumPy's generator.
        threshold: a frozen threshold; without it, each resample tunes its own.
        level: the share of resamples inside the interval.

    Raises:
        GoldError: if no threshold can be tuned (`tune`).
    """
    _check(scores, is_gold, gold_total)
    order = np.argsort(-scores, kind="stable")
    ordered, gold = scores[order], is_gold[order]
    steps, units = _steps(ordered), len(scores) + gold_total - int(is_gold.sum())
    accepted = None if threshold is None else int((scores >= threshold).sum())
    generator = np.random.default_rng(seed)
    values = np.full((resamples, 4), np.nan)
    for sample in range(resamples):
        drawn = generator.integers(0, units, units)
        weights = np.bincount(drawn, minlength=units).astype(np.float64)
        right = weights[: len(ordered)] * gold
        total = int(right.sum() + weights[len(ordered) :].sum())
        if total == 0:
            continue
        if accepted is None:
            value, extracted, correct = _sweep(ordered, steps, right, weights[: len(ordered)], total)
        else:
            value, extracted, correct = float(threshold or 0), weights[:accepted].sum(), right[:accepted].sum()
        precision = correct / extracted if extracted else 0.0
        values[sample] = value, precision, correct / total, 2 * correct / (extracted + total)
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0, method="nearest")
    return Intervals(*(Interval(float(a), float(b)) for a, b in zip(low, high, strict=True)))


def _steps(ordered: Floats) -> NDArray[np.int64]:
    """The last position of each group of equal scores, in descending order."""
    if len(ordered) == 0:
        return np.empty(0, dtype=np.int64)
    return np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)


def _sweep(
    ordered: Floats, steps: NDArray[np.int64], right: Floats, weights: Floats | None, gold_total: float
) -> tuple[float, float, float]:
    """The threshold of the best F1, what it extracts and how much of that is correct; ties to the higher threshold."""
    if len(steps) == 0:
        return math.inf, 0, 0
    correct = np.cumsum(right)[steps]
    extracted = (steps + 1).astype(np.float64) if weights is None else np.cumsum(weights)[steps]
    f1 = 2 * correct / (extracted + gold_total)
    best = int(f1.argmax())
    if f1[best] == 0:
        return math.inf, 0, 0
    upper = float(ordered[steps[best]])
    if best + 1 < len(steps):
        lower = float(ordered[steps[best] + 1])
        middle = lower + (upper - lower) / 2
        # Between neighbouring numbers, or above -inf, there is no midpoint; the accepted score itself is as good.
        value = middle if lower < middle <= upper else upper
    else:
        value = upper
    return value, float(extracted[best]), float(correct[best])


def _check(scores: Floats, is_gold: Flags, gold_total: int) -> None:
    if scores.shape != is_gold.shape:
        raise ValueError(f"{scores.shape} scores but {is_gold.shape} gold flags")
    if np.isnan(scores).any():
        raise ValueError(f"score {int(np.isnan(scores).argmax())} is NaN")
    if gold_total < 1:
        raise GoldError("no gold pairs; expected at least one to tune or measure a threshold on")
    if int(is_gold.sum()) > gold_total:
        raise GoldError(f"{int(is_gold.sum())} candidates are gold, but only {gold_total} gold pairs were counted")
