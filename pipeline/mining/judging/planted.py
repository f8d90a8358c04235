"""A threshold without gold: known translations are planted among the sentences, and it is seen which come back.

Some known pairs are planted whole, of the others one side only, as most sentences of a real corpus are. The pairs that touch
a planted sentence are right or wrong for certain, so a threshold can be tuned on them, and its precision and recall
estimated. Nothing is searched twice: the corpus' neighbours are kept, and only planted sentences are compared with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.mine import Mine
from pipeline.ground.arrays import Rows
from pipeline.mining.judging.control import ControlError
from pipeline.mining.judging.threshold import Flags, Intervals, Quality, bootstrap, tune
from pipeline.mining.mine import mine_neighbors
from pipeline.mining.pair_rules import PairRules
from pipeline.mining.retrieval import Candidates
from pipeline.search.copies import Copies
from pipeline.search.job import SearchJob
from pipeline.search.neighbors import Neighbors
from pipeline.search.search import search
from pipeline.search.vectors import VectorSource

RESAMPLES = 1_000
WHOLE = 0.5
"""The share of known pairs that is planted on both sides."""

FEWEST = 20
"""Known pairs below which an estimate says nothing."""


@dataclass(frozen=True)
class Planted:
    """Which known sentences are planted.

    Attributes:
        known_a: rows of the known pairs planted on side a, those planted whole first [p + s].
        known_b: rows of the known pairs planted on side b, in the same order of pairs [p + t].
        pairs: the number p of pairs that are planted whole.
    """

    known_a: Rows
    known_b: Rows
    pairs: int


def choose_planted(count: int, whole: float = WHOLE, seed: int = 0) -> Planted:
    """Plant a share of the known pairs whole, of the others one side each, by turns.

    The estimate's precision is that of a corpus in which as large a share of sentences has a translation; take
    ``whole`` near what is expected.

    Raises:
        ControlError: if there are too few pairs.
    """
    pairs = round(whole * count)
    if count < FEWEST or pairs == 0:
        raise ControlError(
            f"{count} known pairs, {pairs} of them to be planted; expected at least {FEWEST} known pairs"
        )
    order = np.random.default_rng(seed).permutation(count)
    both, rest = order[:pairs], order[pairs:]
    return Planted(np.concatenate([both, rest[0::2]]), np.concatenate([both, rest[1::2]]), pairs)


def planted_neighbors(
    x: VectorSource,
    y: VectorSource,
    neighbors: Neighbors,
    added_a: NDArray[np.floating],
    added_b: NDArray[np.floating],
    memory_bytes: int,
    copies: Copies | None = None,
) -> Neighbors:
    """The neighbours when rows are added at the end of both sides, as a search of the longer sides would find them.

    Costs (s + t) comparisons with each row instead of a new search. Holds the result and two such lists more.

    Args:
        x: side a's vectors [n, d].
        y: side b's vectors [m, d].
        neighbors: the neighbours of these.
        added_a: vectors added to side a [s, d].
        added_b: vectors added to side b [t, d].
        memory_bytes: memory for what is held besides.
        copies: rows of the longer sides with the same text.
    """
    k = neighbors.k

    def of_new(one: VectorSource, rows_a: Rows, other: VectorSource, rows_b: Rows) -> Neighbors:
        here = None if copies is None else copies.picked(rows_a, rows_b)
        return search(one, other, SearchJob(k, memory_bytes, copies=here)).neighbors

    old_a, old_b = np.arange(len(x)), np.arange(len(y))
    rows_a, rows_b = np.arange(len(x), len(x) + len(added_a)), np.arange(len(y), len(y) + len(added_b))
    new_a = of_new(added_a, rows_a, y, old_b)  # forward: of added_a in y; backward: of y in added_a
    new_b = of_new(x, old_a, added_b, rows_b)
    new = of_new(added_a, rows_a, added_b, rows_b)
    of_x = _merged(_forward(neighbors), _forward(new_b), len(y))
    of_a = _merged(_forward(new_a), _forward(new), len(y))
    of_y = _merged(_backward(neighbors), _backward(new_a), len(x))
    of_b = _merged(_backward(new_b), _backward(new), len(x))
    return Neighbors(*_stacked(of_x, of_a), *_stacked(of_y, of_b))


Lists = tuple[NDArray[np.float32], NDArray[np.int64]]


def _forward(found: Neighbors) -> Lists:
    return found.forward_similarity, found.forward_row


def _backward(found: Neighbors) -> Lists:
    return found.backward_similarity, found.backward_row


def _stacked(first: Lists, second: Lists) -> Lists:
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])


def _merged(first: Lists, second: Lists, offset: int) -> Lists:
    """The k best of two lists [n, k] each; the second's rows are counted from ``offset``, so ties go to the first."""
    similarity = np.concatenate([first[0], second[0]], axis=1)
    row = np.concatenate([first[1], np.where(second[1] >= 0, second[1] + offset, -1)], axis=1)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, : first[0].shape[1]]
    return np.take_along_axis(similarity, order, axis=1), np.take_along_axis(row, order, axis=1)


@dataclass(frozen=True)
class Estimate:
    """A threshold from planted pairs.

    Attributes:
        threshold: the threshold of the best F1 over the pairs that touch a planted sentence.
        quality: precision and recall of these pairs, at the threshold.
        intervals: bootstrap intervals of both.
        known: known pairs that were used, planted whole or on one side.
    """

    threshold: float
    quality: Quality
    intervals: Intervals
    known: int

    def as_metrics(self) -> dict[str, Any]:
        """For metadata."""
        found = {
            "threshold": self.threshold,
            "threshold_low": self.intervals.threshold.low,
            "threshold_high": self.intervals.threshold.high,
            "precision": self.quality.precision,
            "recall": self.quality.recall,
        }
        rounded = {name: round(value, 6) if np.isfinite(value) else None for name, value in found.items()}
        return {"known": self.known, "planted_whole": self.quality.gold, **rounded}


def estimate_threshold(
    x: VectorSource,
    y: VectorSource,
    neighbors: Neighbors,
    known_a: NDArray[np.floating],
    known_b: NDArray[np.floating],
    options: Mine,
    seed: int = 0,
    rules: PairRules | None = None,
) -> Estimate:
    """Plant known pairs, mine with them, and tune the threshold on what touches them.

    Args:
        x: side a's vectors [n, d].
        y: side b's vectors [m, d].
        neighbors: the neighbours of these.
        known_a: vectors of the known pairs' sentences on side a [q, d]; none of them may stand in the text.
        known_b: the vectors of their translations [q, d].
        options: the options of the real run.
        seed: the seed of the choice of what is planted whole, and of the bootstrap.
        rules: the rules that pairs have to pass, for both sides with all known sentences after them.

    Raises:
        ControlError: if there are too few known pairs, or their number differs.
        VectorError: if vectors can't be compared, or one is zero or not finite.
    """
    if len(known_a) != len(known_b):
        raise ControlError(f"{len(known_a)} known sentences on side a, {len(known_b)} on side b; expected pairs")
    planted = choose_planted(len(known_a), WHOLE, seed)
    side_a, side_b = known_a[planted.known_a], known_b[planted.known_b]
    if rules is not None:
        rows_a = np.concatenate([np.arange(len(x)), len(x) + planted.known_a])
        rows_b = np.concatenate([np.arange(len(y)), len(y) + planted.known_b])
        rules = rules.picked(rows_a, rows_b)
    copies = None if rules is None else rules.copies
    found = planted_neighbors(x, y, neighbors, side_a, side_b, options.memory_bytes, copies)
    touched, right = judged(mine_neighbors(found, options, None, rules).pairs, planted, len(x), len(y))
    best = tune(touched.score, right, planted.pairs)
    intervals = bootstrap(touched.score, right, planted.pairs, RESAMPLES, seed)
    return Estimate(best.value, best.quality, intervals, len(known_a))


def judged(pairs: Candidates, planted: Planted, rows_a: int, rows_b: int) -> tuple[Candidates, Flags]:
    """The pairs [p] that touch a planted sentence, and whether each is a planted pair [p].

    Args:
        pairs: mined from both sides with the planted sentences after ``rows_a`` and ``rows_b`` others.
        planted: the sentences that were planted.
        rows_a: the number n of other sentences of side a.
        rows_b: the number m of other sentences of side b.
    """
    touched = pairs.take((pairs.row_a >= rows_a) | (pairs.row_b >= rows_b))
    place_a, place_b = touched.row_a - rows_a, touched.row_b - rows_b
    return touched, (place_a == place_b) & (place_a >= 0) & (place_a < planted.pairs)
