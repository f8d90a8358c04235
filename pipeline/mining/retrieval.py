"""Which pairs are proposed: each side's best candidate by the score, and how the two sides' proposals are joined.

The best candidate is the best by margin among the k neighbours, which need not be the first neighbour by cosine.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.mining.margin import CHUNK, Floats, Score, margin, neighborhood_means
from pipeline.mining.neighbors import Neighbors

Retrieval = Literal["union", "intersection", "forward", "backward"]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Candidates:
    """Scored pairs of rows; all arrays are [p], one entry a pair.

    Attributes:
        row_a: rows of side a.
        row_b: rows of side b.
        score: the margin, or whatever score was asked for.
        cosine: of the two vectors.
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

    def take(self, which: NDArray[Any]) -> Self:
        """The pairs that a mask or an array of positions picks, in its order."""
        return type(self)(**{field.name: getattr(self, field.name)[which] for field in fields(self)})

    def above(self, threshold: float) -> Self:
        """The pairs whose score is at least the threshold."""
        return self.take(self.score >= threshold)

    def ordered(self) -> Self:
        """Sorted by score, greatest first; equal scores by row of side a, then of side b."""
        return self.take(np.lexsort((self.row_b, self.row_a, -self.score)))


def candidates(neighbors: Neighbors, score: Score, retrieval: Retrieval) -> Candidates:
    """The proposals of a retrieval, in the order of their rows, each pair once.

    ``forward`` proposes the best b of each a, ``backward`` the best a of each b, ``intersection`` the pairs that both
    propose, ``union`` (LASER's "max") those that either proposes. Of equal scores, the better neighbour is the best.

    Args:
        neighbors: of both sides.
        score: which score chooses.
        retrieval: who proposes.
    """
    mean_a, mean_b = neighborhood_means(neighbors.forward_similarity), neighborhood_means(neighbors.backward_similarity)
    empty = np.empty((0, 2), dtype=np.int64)
    forward = backward = empty
    if retrieval != "backward":
        forward = _best(neighbors.forward_similarity, neighbors.forward_row, mean_a, mean_b, score)
    if retrieval != "forward":
        swapped = neighbors.swapped()
        backward = _best(swapped.forward_similarity, swapped.forward_row, mean_b, mean_a, score)[:, ::-1]
    pairs = _joined(forward, backward, retrieval, len(mean_b))
    return scored(neighbors, pairs[:, 0], pairs[:, 1], score)


def _joined(forward: Rows, backward: Rows, retrieval: Retrieval, rows_b: int) -> Rows:
    """The pairs [p, 2] of a retrieval, sorted, each once; rows fit one int64 together."""
    width = max(rows_b, 1)
    codes = [pairs[:, 0] * width + pairs[:, 1] for pairs in (forward, backward)]
    if retrieval == "intersection":
        joined = np.intersect1d(codes[0], codes[1], assume_unique=True)
    else:
        joined = np.unique(np.concatenate(codes))
    return np.stack([joined // width, joined % width], axis=1)


def _best(similarity: NDArray[np.float32], row: Rows, own: Floats, other: Floats, score: Score) -> Rows:
    """The best neighbour of each row by score, as pairs [p, 2] of own and other row; none without a defined score."""
    found = []
    for start in range(0, len(row), CHUNK):
        part = slice(start, start + CHUNK)
        there = row[part] >= 0
        safe = np.where(there, row[part], 0)
        if len(other) == 0:
            break
        scores = margin(similarity[part], own[part, None], other[safe], score)
        scores = np.where(there, scores, -np.inf)
        place = scores.argmax(axis=1)
        lines = np.arange(len(place))
        kept = scores[lines, place] > -np.inf
        found.append(np.stack([lines + start, safe[lines, place]], axis=1)[kept])
    return np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)


def scored(neighbors: Neighbors, row_a: Rows, row_b: Rows, score: Score) -> Candidates:
    """The scores and ranks of pairs of which each is a neighbour of the other, in at least one direction.

    Args:
        neighbors: of both sides.
        row_a: [p] rows of side a.
        row_b: [p] rows of side b.
        score: which score.
    """
    mean_a, mean_b = neighborhood_means(neighbors.forward_similarity), neighborhood_means(neighbors.backward_similarity)
    rank_ab, cosine_ab = _rank(neighbors.forward_similarity, neighbors.forward_row, row_a, row_b)
    rank_ba, cosine_ba = _rank(neighbors.backward_similarity, neighbors.backward_row, row_b, row_a)
    cosine = np.where(rank_ab > 0, cosine_ab, cosine_ba)
    of_a, of_b = mean_a[row_a], mean_b[row_b]
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
