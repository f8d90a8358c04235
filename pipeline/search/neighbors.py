"""What a search gives: the nearest neighbours of every row, and how they were found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.ground.arrays import Rows

TOLERANCE = 1e-6
"""A neighbour as near as the exact k-th one counts as found: copies of a vector are interchangeable."""

Found = tuple[NDArray[np.float32], Rows]
"""Similarities [r, k], best first (-inf where there are fewer), and the rows that they belong to [r, k] (-1)."""


@dataclass(frozen=True)
class Neighbors:
    """The k nearest neighbours in both directions, best first, ties broken by the lower row.

    Attributes:
        forward_similarity: [n, k] float32 cosines of each row of x with its neighbours in y; -inf where there are
            fewer.
        forward_row: [n, k] int64 rows of y; -1 where there are fewer than k. Never index with -1.
        backward_similarity: [m, k] the same of each row of y with its neighbours in x.
        backward_row: [m, k] rows of x.
    """

    forward_similarity: NDArray[np.float32]
    forward_row: Rows
    backward_similarity: NDArray[np.float32]
    backward_row: Rows

    @property
    def k(self) -> int:
        """Neighbours of a row."""
        return int(self.forward_row.shape[1])

    def swapped(self) -> Neighbors:
        """The same with x and y exchanged."""
        return Neighbors(self.backward_similarity, self.backward_row, self.forward_similarity, self.forward_row)


@dataclass(frozen=True)
class SelfNeighbors:
    """The k nearest other rows of each row, best first, ties broken by the lower row.

    Attributes:
        similarity: [n, k] float32 cosines; -inf where there are fewer than k others.
        row: [n, k] int64 rows; -1 where there are fewer.
    """

    similarity: NDArray[np.float32]
    row: Rows


@dataclass(frozen=True)
class Tuned:
    """What an approximate search was set to.

    Attributes:
        effort: lists visited, or the width of the walk; 0 where there is nothing to choose.
        recall: the share of the true neighbours found on the sample.
    """

    effort: int
    recall: float


@dataclass(frozen=True)
class Search:
    """How neighbours of two sides were found.

    Attributes:
        neighbors: the neighbours of both directions.
        about: for metadata and the report: the backend, its indexes and what they were set to; nothing of time or place.
        tuned: for an approximate search, what each direction was set to; empty if the search was exact.
    """

    neighbors: Neighbors
    about: dict[str, Any]
    tuned: tuple[Tuned, ...] = ()


@dataclass(frozen=True)
class SelfSearch:
    """How neighbours of one set in itself were found; see `Search`.

    Attributes:
        neighbors: the neighbours.
        about: how they were found, as in `Search`.
        recall: the share of the true neighbours found on the sample; 1 if the search was exact.
    """

    neighbors: SelfNeighbors
    about: dict[str, Any]
    recall: float = 1.0


def ordered(similarity: NDArray[np.float32], row: Rows, k: int) -> Found:
    """The first k columns, by similarity and then the lower row, padded where there are fewer."""
    short = k - row.shape[1]
    if short > 0:
        similarity = np.pad(similarity, ((0, 0), (0, short)), constant_values=-np.inf)
        row = np.pad(row, ((0, 0), (0, short)), constant_values=-1)
    order = np.lexsort((row, -similarity), axis=1)[:, :k]
    return np.take_along_axis(similarity, order, axis=1), np.take_along_axis(row, order, axis=1)


def neighbor_recall(exact: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """The share of exact neighbours [q, k] for which the search found one at least as near as the k-th; 1 for none."""
    return float(neighbor_recalls(exact, found)[0])


def neighbor_recalls(exact: NDArray[np.float32], found: NDArray[np.float32]) -> tuple[float, float]:
    """The share of exact neighbours [q, k] that were found, as of `neighbor_recall`, and its standard error over the rows."""
    return share_of(as_near(exact, found).sum(axis=1), np.isfinite(exact).sum(axis=1))


def as_near(exact: NDArray[np.float32], found: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of what was found [q, c] is as near as the last of the exact neighbours [q, k]."""
    kth = np.where(np.isfinite(exact), exact, np.inf).min(axis=1, keepdims=True)
    near: NDArray[np.bool_] = np.isfinite(found) & (found >= kth - TOLERANCE)
    return near


def share_of(hits: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[float, float]:
    """The share of rows' neighbours [q] of which so many were found [q], and its standard error; 1 of none."""
    if not counts.any():
        return 1.0, 0.0
    share = hits.sum() / counts.sum()
    # The standard error of a ratio of two means over the rows.
    error = np.sqrt(((hits - share * counts) ** 2).sum() / max(len(hits) - 1, 1) / len(hits)) / counts.mean()
    return float(share), float(error)
