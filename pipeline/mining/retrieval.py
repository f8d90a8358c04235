"""Which pairs are proposed: each side's best candidate by the score, and how the two sides' proposals are joined.

The best candidate is the best by margin among the k neighbours, which need not be the first neighbour by cosine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.ground.arrays import CHUNK, Floats, Rows
from pipeline.mining.margin import Score, margin, neighborhood_means
from pipeline.search.neighbors import Neighbors
from pipeline.search.scratch import ScratchArrays

Retrieval = Literal["union", "intersection", "forward", "backward"]


@dataclass(frozen=True)
class Candidates:
    """Scored pairs of rows; all arrays are [p], one entry a pair.

    Attributes:
        row_a: rows of side a.
        row_b: rows of side b.
        score: the margin, or whatever score was asked for.
        cosine: the two vectors' cosine.
        mean_a: the mean cosine of side a's sentence with its k neighbours on side b.
        mean_b: the mean cosine of side b's sentence with its k neighbours on side a.
        rank_a_to_b: where b stands among a's neighbours, from 1; 0 when it is not one of the k.
        rank_b_to_a: where a stands among b's neighbours, from 1; 0 when it is not one of the k.
    """

    row_a: Rows
    row_b: Rows
    score: Floats
    cosine: NDArray[np.float32]
    mean_a: Floats
    mean_b: Floats
    rank_a_to_b: NDArray[np.int32]
    rank_b_to_a: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.row_a)

    def take(self, which: NDArray[Any] | slice) -> Self:
        """The pairs that a mask or an array of positions picks, in its order; those of a slice are not copied."""
        return type(self)(**{field.name: getattr(self, field.name)[which] for field in fields(self)})

    def above(self, threshold: float) -> Self:
        """The pairs whose score is at least the threshold."""
        return self.take(self.score >= threshold)

    def ordered(self) -> Self:
        """Sorted by score, greatest first; equal scores by row of side a, then of side b."""
        return self.take(np.lexsort((self.row_b, self.row_a, -self.score)))


class PairSieve(Protocol):
    """Says which pairs may not be proposed."""

    def __call__(self, row_a: Rows, row_b: Rows) -> NDArray[np.bool_]:
        """Which pairs [p] of rows of side a [p] and of side b [p] may not be [p]."""
        ...


def candidates(neighbors: Neighbors, score: Score, retrieval: Retrieval, sieve: PairSieve | None = None) -> Candidates:
    """The proposals of a retrieval, in the order of their rows, each pair once.

    ``forward`` proposes the best b of each a, ``backward`` the best a of each b, ``intersection`` the pairs that both
    propose, ``union`` (LASER's "max") those that either proposes. Of equal scores, the better neighbour is the best.

    Args:
        neighbors: both sides' neighbours.
        score: which score chooses.
        retrieval: who proposes.
        sieve: pairs that may not be proposed: the next best is, of the k. Neighbourhoods are as they are without it.
    """
    means = Means.of(neighbors)
    proposed = [np.empty((0, 2), np.int64), *proposals(neighbors, means, score, retrieval, sieve=sieve)]
    row_a, row_b = np.concatenate(proposed).T
    order = np.argsort(row_a * max(len(neighbors.backward_row), 1) + row_b)  # rows fit one int64 together
    return scored(neighbors, row_a[order], row_b[order], score, means)


@dataclass(frozen=True)
class Means:
    """The mean similarity of every row's neighbourhood.

    Attributes:
        a: those of side a's rows [n].
        b: those of side b's rows [m].
    """

    a: Floats
    b: Floats

    @classmethod
    def of(cls, neighbors: Neighbors, arrays: ScratchArrays | None = None) -> Means:
        """The means of both sides; 8 bytes a row."""
        arrays = arrays or ScratchArrays()
        sides = neighbors.forward_similarity, neighbors.backward_similarity
        means = [
            arrays.array(name, np.float64, (len(side),))
            for name, side in zip(("means-a", "means-b"), sides, strict=True)
        ]
        for side, own in zip(sides, means, strict=True):
            neighborhood_means(side, own)
        return cls(*means)


def proposals(
    neighbors: Neighbors,
    means: Means,
    score: Score,
    retrieval: Retrieval,
    arrays: ScratchArrays | None = None,
    sieve: PairSieve | None = None,
) -> Iterator[Rows]:
    """The pairs [p, 2] of a retrieval, each once, in chunks: what side a proposes, then what only side b does.

    ``sieve`` as for `candidates`. Holds a chunk, and for ``union`` and ``intersection`` 8 bytes a row of side a in
    ``arrays``.
    """
    forward = _best(neighbors.forward_similarity, neighbors.forward_row, means.a, means.b, score, sieve)
    if retrieval == "forward":
        yield from forward
        return
    swapped = neighbors.swapped()
    exchanged = None if sieve is None else _Exchanged(sieve)
    backward = _best(swapped.forward_similarity, swapped.forward_row, means.b, means.a, score, exchanged)
    if retrieval == "backward":
        yield from (pairs[:, ::-1] for pairs in backward)
        return
    best_of_a = (arrays or ScratchArrays()).array(
        "best-of-a", np.int64, (len(means.a),)
    )  # zeros: no row, since rows are from 1 here
    for pairs in forward:
        best_of_a[pairs[:, 0]] = pairs[:, 1] + 1
        if retrieval == "union":
            yield pairs
    for pairs in backward:
        both = best_of_a[pairs[:, 1]] == pairs[:, 0] + 1
        yield pairs[both if retrieval == "intersection" else ~both][:, ::-1]


@dataclass(frozen=True)
class _Exchanged:
    sieve: PairSieve

    def __call__(self, row_a: Rows, row_b: Rows) -> NDArray[np.bool_]:
        return self.sieve(row_b, row_a)


def _best(
    similarity: NDArray[np.float32], row: Rows, own: Floats, other: Floats, score: Score, sieve: PairSieve | None
) -> Iterator[Rows]:
    """The best neighbour of each row by score, as pairs [p, 2] of own and other row; none without a defined score."""
    for start in range(0, len(row) if len(other) else 0, CHUNK):
        part = slice(start, start + CHUNK)
        there = row[part] >= 0
        safe = np.where(there, row[part], 0)
        scores = margin(similarity[part], own[part, None], other[safe], score)
        scores = np.where(there, scores, -np.inf)
        place = scores.argmax(axis=1)
        lines = np.arange(len(place))
        kept = scores[lines, place] > -np.inf
        asked = lines[kept] if sieve is not None else lines[:0]
        while sieve is not None and len(
            asked
        ):  # at most k times: a line's candidate that may not be is its last no more
            asked = asked[sieve(asked + start, safe[asked, place[asked]])]
            scores[asked, place[asked]] = -np.inf
            place[asked] = scores[asked].argmax(axis=1)
            kept[asked] = scores[asked, place[asked]] > -np.inf
            asked = asked[kept[asked]]
        yield np.stack([lines + start, safe[lines, place]], axis=1)[kept]


def scored(neighbors: Neighbors, row_a: Rows, row_b: Rows, score: Score, means: Means | None = None) -> Candidates:
    """The scores and ranks of pairs of which each is a neighbour of the other, in at least one direction.

    Args:
        neighbors: both sides' neighbours.
        row_a: [p] rows of side a.
        row_b: [p] rows of side b.
        score: which score.
        means: the neighbours' means, if they are known already.
    """
    means = means or Means.of(neighbors)
    rank_ab, cosine_ab = _rank(neighbors.forward_similarity, neighbors.forward_row, row_a, row_b)
    rank_ba, cosine_ba = _rank(neighbors.backward_similarity, neighbors.backward_row, row_b, row_a)
    cosine = np.where(rank_ab > 0, cosine_ab, cosine_ba)
    of_a, of_b = means.a[row_a], means.b[row_b]
    return Candidates(row_a, row_b, margin(cosine, of_a, of_b, score), cosine, of_a, of_b, rank_ab, rank_ba)


def ranks(row: Rows, own: Rows, other: Rows) -> NDArray[np.int32]:
    """Where each ``other`` [p] stands among the neighbours ``row`` [n, k] of its ``own`` [p], from 1; 0 if it doesn't."""
    return _rank(np.broadcast_to(np.float32(0), row.shape), row, own, other)[0]


def _rank(
    similarity: NDArray[np.float32], row: Rows, own: Rows, other: Rows
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Where ``other`` stands among the neighbours of ``own`` (from 1, 0 if it doesn't), and its similarity."""
    rank, found = np.zeros(len(own), np.int32), np.full(len(own), -np.inf, np.float32)
    for start in range(0, len(own), CHUNK):
        part = slice(start, start + CHUNK)
        match = row[own[part]] == other[part, None]
        place, there = match.argmax(axis=1), match.any(axis=1)
        rank[part] = np.where(there, place + 1, 0)
        found[part] = np.where(there, similarity[own[part], place], -np.inf)
    return rank, found
