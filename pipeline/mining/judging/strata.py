"""Which mined pairs a person is asked about: a sample by strata of the score, more where the decision is.

The best pairs are nearly always right and the worst nearly always wrong; what a threshold hangs on lies between. Pairs are
sorted by score and cut into strata of equally many; a stratum at the decision gets twice as many of the questions, and
every stratum some. Inside a stratum pairs are drawn at random, so that each stands for (pairs in the stratum) /
(pairs drawn), and the whole file's precision can be estimated without bias (`pipeline.mining.judging.precision`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.ground.arrays import Floats, Rows

STRATA = 10
"""Strata of a sample: enough for a curve, few enough that each gets its share of 100 questions."""
LEAST = 5
"""Pairs drawn from every stratum, if it has as many."""
AT_DECISION = 2.0
"""How much more is drawn from the strata at the decision, and from those beside it."""


@dataclass(frozen=True)
class Stratum:
    """Pairs of like scores, and those drawn from them.

    Attributes:
        rows: the rows of all its pairs in the file [n], best first.
        drawn: the rows drawn [m], sorted.
    """

    rows: Rows
    drawn: Rows


def draw(scores: Floats, wanted: int, seed: int, decision: float | None = None) -> list[Stratum]:
    """A stratified sample of pairs, best stratum first; the same for the same arguments.

    Holds the order of all pairs (8 bytes a pair).

    >>> [len(one.drawn) for one in draw(np.linspace(1, 2, 1000), 110, seed=0, decision=1.55)]
    [10, 9, 10, 14, 14, 15, 9, 10, 9, 10]

    Args:
        scores: the score of every pair [n], finite.
        wanted: pairs to draw; all, if there are no more.
        seed: the seed of the draw.
        decision: the score near which a threshold is expected; None: the lower the score, the more is drawn.
    """
    order = np.argsort(-scores, kind="stable")
    count = max(1, min(STRATA, wanted // LEAST, len(scores)))
    parts = np.array_split(order, count)
    sizes = _sizes([len(part) for part in parts], wanted, _shares(scores, parts, decision))
    generator = np.random.default_rng(seed)
    return [
        Stratum(part, np.sort(generator.choice(part, size, replace=False)))
        for part, size in zip(parts, sizes, strict=True)
    ]


def shuffled(strata: Sequence[Stratum], seed: int) -> Rows:
    """All rows drawn [m] in the order in which they are asked: what a judge has answered at any time is a sample, too."""
    rows = np.concatenate([stratum.drawn for stratum in strata])
    return np.random.default_rng([seed, 1]).permutation(rows)


def _shares(scores: Floats, parts: Sequence[Rows], decision: float | None) -> Floats:
    """How much of the questions each stratum gets, relative to the others [s]."""
    if decision is None:
        return np.linspace(1.0, AT_DECISION, len(parts))
    lowest = np.array([scores[part[-1]] for part in parts])
    at = min(int(np.searchsorted(-lowest, -decision, side="left")), len(parts) - 1)
    return np.where(np.abs(np.arange(len(parts)) - at) <= 1, AT_DECISION, 1.0)


def _sizes(available: Sequence[int], wanted: int, shares: Floats) -> list[int]:
    """Whole numbers by share, none more than there is: what one stratum lacks goes to the others."""
    sizes = np.minimum(available, min(LEAST, wanted // len(available)))
    while (left := min(wanted, sum(available)) - int(sizes.sum())) > 0:
        room = np.where(np.asarray(available) > sizes, shares, 0.0)
        # The cumulative shares, rounded: together they are exactly what is left, in whole pairs.
        steps = np.diff(np.rint(np.cumsum(room) / room.sum() * left), prepend=0.0).astype(np.int64)
        sizes = np.minimum(available, sizes + steps)
    return [int(size) for size in sizes]
