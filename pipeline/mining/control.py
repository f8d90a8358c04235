"""Thresholds without gold pairs: a shuffled control, planted pairs, a histogram.

The control mines where no translation can be: sentences of one half of the documents against those of the other half.
What it accepts at a threshold is wrong, so it shows the rate of false pairs. Planted pairs are translations that one
knows, mixed into both sides (some of them on one side only, as most sentences are): how many come back, and what else
their sentences are paired with, estimates recall and precision. The histogram shows whether the scores have two heaps
at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Mine
from pipeline.errors import UserError
from pipeline.mining.margin import Floats
from pipeline.mining.mine import mine
from pipeline.mining.retrieval import Candidates, Rows
from pipeline.mining.threshold import Flags, Threshold, tune
from pipeline.mining.vectors import StackedVectors, VectorSource, gathered_rows


class ControlError(UserError):
    """A control that can't be run on what was given."""


@dataclass(frozen=True)
class Control:
    """Mining between sentences that are no translations of each other.

    Attributes:
        scores: of the pairs that it proposed, greatest first [p].
        searched: sentences of the smaller side, over both halves: the most pairs that there could be.
    """

    scores: Floats
    searched: int

    def accepted(self, threshold: float) -> int:
        """False pairs at a threshold."""
        return int((self.scores >= threshold).sum())

    def rate(self, threshold: float) -> float:
        """False pairs at a threshold, per sentence searched."""
        return self.accepted(threshold) / self.searched if self.searched else 0.0

    def threshold_at(self, rate: float) -> float:
        """The lowest threshold at which at most so many false pairs per sentence are accepted."""
        allowed = int(rate * self.searched)
        return float(np.nextafter(self.scores[allowed], np.inf)) if allowed < len(self.scores) else -np.inf


def shuffled_control(
    x: VectorSource,
    y: VectorSource,
    documents_a: NDArray[np.str_],
    documents_b: NDArray[np.str_],
    options: Mine,
    seed: int = 0,
) -> Control:
    """Mine each half of the documents of side a against the other half of side b's.

    Documents have the same names on both sides; which half one is in is chosen with a seed. Each half is as large as
    half the corpus: neighbourhoods are thinner than in the real run, which makes the control's margins a little
    higher, and so the rate that it shows rather too high than too low. Holds both sides' vectors in memory.

    Args:
        x: side a's vectors [n, d].
        y: side b's vectors [m, d].
        documents_a: each row's document [n].
        documents_b: each row's document [m].
        options: as for the real run.
        seed: of the choice of halves.

    Raises:
        ControlError: if there are fewer than two documents.
        VectorError: as `mine` does.
    """
    names, codes = np.unique(np.concatenate([documents_a, documents_b]), return_inverse=True)
    if len(names) < 2:
        raise ControlError(f"a shuffled control needs at least two documents; found {len(names)}")
    half = np.random.default_rng(seed).permutation(len(names)) < len(names) // 2
    in_a, in_b = half[codes[: len(documents_a)]], half[codes[len(documents_a) :]]
    scores, searched = [], 0
    for rows_a, rows_b in ((in_a, ~in_b), (~in_a, in_b)):
        one, other = gathered_rows(x, np.flatnonzero(rows_a)), gathered_rows(y, np.flatnonzero(rows_b))
        scores.append(mine(one, other, options).score)
        searched += min(len(one), len(other))
    return Control(np.sort(np.concatenate(scores))[::-1], searched)


@dataclass(frozen=True)
class Planted:
    """Both sides with known pairs appended.

    Attributes:
        x: side a's vectors, then the planted ones.
        y: side b's, then the planted ones.
        rows_a: planted rows of side a, those whose translation was planted too first [p + s].
        rows_b: planted rows of side b, in the same order of pairs [p + t].
        pairs: p, how many were planted whole.
    """

    x: StackedVectors
    y: StackedVectors
    rows_a: Rows
    rows_b: Rows
    pairs: int


def plant(
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    known_a: NDArray[np.floating],
    known_b: NDArray[np.floating],
    whole: float = 0.5,
    seed: int = 0,
) -> Planted:
    """Append known pairs to both sides: a share of them whole, of the others one side each, by turns.

    The estimate's precision is that of a corpus in which as large a share of sentences has a translation; take
    ``whole`` near what is expected.

    Args:
        x: [n, d].
        y: [m, d].
        known_a: [q, d] vectors of the known pairs' sentences on side a, of x's type.
        known_b: [q, d] their translations', of y's type.
        whole: the share of pairs planted on both sides.
        seed: of the choice.

    Raises:
        VectorError: if dimensions or types differ.
        ControlError: if there is no pair to plant whole.
    """
    count = round(whole * len(known_a))
    if len(known_a) != len(known_b) or count == 0:
        raise ControlError(f"{len(known_a)} and {len(known_b)} known sentences, {count} pairs to plant; expected pairs")
    order = np.random.default_rng(seed).permutation(len(known_a))
    both, rest = order[:count], order[count:]
    side_a, side_b = np.concatenate([both, rest[0::2]]), np.concatenate([both, rest[1::2]])
    return Planted(
        StackedVectors([x, known_a[side_a]]),
        StackedVectors([y, known_b[side_b]]),
        np.arange(len(side_a)) + len(x),
        np.arange(len(side_b)) + len(y),
        count,
    )


def planted_threshold(pairs: Candidates, planted: Planted) -> Threshold:
    """The threshold of the best F1 over the pairs that touch a planted sentence (see `pipeline.mining.threshold`).

    Args:
        pairs: mined from ``planted.x`` and ``planted.y``, one-to-one, without a threshold.
        planted: what was planted.
    """
    first_a, first_b = int(planted.rows_a[0]), int(planted.rows_b[0])
    touched = pairs.take((pairs.row_a >= first_a) | (pairs.row_b >= first_b))
    place_a, place_b = touched.row_a - first_a, touched.row_b - first_b
    right: Flags = (place_a == place_b) & (place_a >= 0) & (place_a < planted.pairs)
    return tune(touched.score, right, planted.pairs)


@dataclass(frozen=True)
class Histogram:
    """How scores are spread.

    Attributes:
        edges: of the bins [b + 1].
        counts: pairs in each [b].
    """

    edges: Floats
    counts: NDArray[np.int64]

    def rows(self) -> Sequence[tuple[float, float, int]]:
        """Each bin's low edge, high edge and count."""
        return list(zip(self.edges[:-1].tolist(), self.edges[1:].tolist(), self.counts.tolist(), strict=True))


def histogram(scores: Floats, width: float = 0.02) -> Histogram:
    """Counts of scores in bins whose edges are multiples of ``width``."""
    if len(scores) == 0:
        return Histogram(np.array([0.0, width]), np.zeros(1, dtype=np.int64))
    low, high = int(np.floor(scores.min() / width)), int(np.floor(scores.max() / width)) + 1
    places = np.clip(np.floor(scores / width).astype(np.int64) - low, 0, high - low - 1)
    return Histogram(np.arange(low, high + 1, dtype=np.float64) * width, np.bincount(places, minlength=high - low))
