"""Exact nearest neighbours of both directions from one product of the two sides.

Two searches (as FAISS would do them) multiply x by y and then y by x; here each tile of the one product x·yᵀ is used
twice, by its rows for the neighbours of x and by its columns for those of y. What is selected from a tile, and at what
cost, is in `pipeline.search.best`. A set against itself needs only the tiles on and above the diagonal, half the
product again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.console.progress import Advance
from pipeline.search.best import MAX_ROWS, Best
from pipeline.search.blocks import Span
from pipeline.search.bounded import make_tiler
from pipeline.search.copies import Copies
from pipeline.search.tiles import Plan, pick_device
from pipeline.search.vectors import VectorError, VectorSource, check_matrix, check_pair, gathered, normalised


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
    forward_row: NDArray[np.int64]
    backward_similarity: NDArray[np.float32]
    backward_row: NDArray[np.int64]

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
    row: NDArray[np.int64]


def mutual_neighbors(
    x: VectorSource,
    y: VectorSource,
    k: int,
    memory_bytes: int,
    device: str | None = None,
    advance: Advance | None = None,
    copies: Copies | None = None,
) -> Neighbors:
    """The k nearest neighbours of every row of x in y and of every row of y in x, by cosine, exactly.

    Holds a slab of x and a tile of y as float32, one tile of similarities (all within about ``memory_bytes``) and the
    result, 16·k + 4 bytes a row of both sides; x and y themselves are read by slices.

    Args:
        x: [n, d] float16 or float32.
        y: [m, d] the same.
        k: neighbours of a row, at least 1.
        memory_bytes: for what is held besides the result.
        device: a torch device; CUDA where there is one, if not given.
        advance: called with rows of x done; they add up to n.
        copies: rows with the same text, which are no neighbours.

    Raises:
        VectorError: if the sides can't be compared, or a vector is zero or not finite.
    """
    check_pair(x, y)
    check_sizes(k, len(x), len(y))
    where = pick_device(device)
    plan = Plan.of(x.shape[1], memory_bytes, where)
    forward, backward = best_of_block(x, y, ((0, len(x)), (0, len(y))), k, plan, where, advance, copies)
    return Neighbors(*forward.result(), *backward.result())


def best_of_block(
    x: VectorSource,
    y: VectorSource,
    spans: tuple[Span, Span],
    k: int,
    plan: Plan,
    where: torch.device,
    advance: Callable[[int], None] | None = None,
    copies: Copies | None = None,
) -> tuple[Best, Best]:
    """What a range of rows of x and a range of rows of y say: of each of them the k best among the other range's.

    Ranges that begin at multiples of ``plan.tile`` are made of the same tiles as the whole, so their similarities have the
    same bits, and their candidates together are the whole's. Memory as in `mutual_neighbors`.

    Args:
        x: [n, d].
        y: [m, d].
        spans: the first row of x, a multiple of ``plan.tile``, and past the last; and the same of y.
        k: neighbours of a row.
        plan: how the product is cut.
        where: the device.
        advance: called with rows of x done.
        copies: rows of the whole with the same text, which are no neighbours.

    Returns:
        The best of the rows of x and of the rows of y, lines from 0; the rows that their keys name are those of the whole.
    """
    (start, stop), (b_start, b_stop) = spans
    forward, backward = Best(stop - start, k, where), Best(b_stop - b_start, k, where)
    tiler = make_tiler(plan, where, x.shape[1], k)
    for slab_start in range(start, stop, plan.slab):
        slab = tiler.rows(normalised(x, slab_start, min(slab_start + plan.slab, stop), "side a", where))
        report = _Share(advance, len(slab), -(-(b_stop - b_start) // plan.tile))
        for y_start in range(b_start, b_stop, plan.tile):
            y_tile = tiler.columns(normalised(y, y_start, min(y_start + plan.tile, b_stop), "side b", where))
            for strip_start in range(0, len(slab), plan.tile):
                strip, first = slab[strip_start : strip_start + plan.tile], slab_start + strip_start
                tiler.product(strip, y_tile)
                if copies is not None:
                    tiler.hide(copies.cells((first, first + len(strip)), (y_start, y_start + len(y_tile)), where))
                tiler.update_rows(forward, first - start, y_start)
                tiler.update_columns(backward, first, y_start - b_start)
            report.step()
    if start == stop:
        _check_all(y, spans[1], "side b", plan.tile, where)
    return forward, backward


def one_way(
    x: VectorSource,
    rows: NDArray[np.int64],
    y: VectorSource,
    k: int,
    memory_bytes: int,
    device: str | None = None,
    copies: Copies | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest neighbours in y of some rows of x, exactly.

    Args:
        x: [n, d] the side that is searched for.
        rows: [r] rows of x; all of them are in memory at once.
        y: [m, d] the side that is searched.
        k: neighbours of a row.
        memory_bytes: for what is held besides those rows and the result.
        device: as for `mutual_neighbors`.
        copies: rows of x and y with the same text, which are no neighbours.

    Returns:
        Similarities [r, k] and rows of y [r, k], as in `Neighbors`.

    Raises:
        VectorError: as `mutual_neighbors` does.
    """
    check_pair(x, y)
    where = pick_device(device)
    plan = Plan.of(x.shape[1], memory_bytes, where)
    return best_of_rows(x, rows, y, (0, len(y)), k, plan, where, copies).result()


def best_of_rows(
    x: VectorSource,
    rows: NDArray[np.int64],
    y: VectorSource,
    span: Span,
    k: int,
    plan: Plan,
    where: torch.device,
    copies: Copies | None = None,
) -> Best:
    """The same among a range of rows of y, which begins with a multiple of ``plan.tile``; see `best_of_block`."""
    best, tiler = Best(len(rows), k, where), make_tiler(plan, where, x.shape[1], k)
    queries = tiler.rows(gathered(x, rows, "side a", where))
    for y_start in range(*span, plan.tile):
        y_tile = tiler.columns(normalised(y, y_start, min(y_start + plan.tile, span[1]), "side b", where))
        for first in range(0, len(rows), plan.tile):
            tiler.product(queries[first : first + plan.tile], y_tile)
            if copies is not None:
                tiler.hide(copies.cells(rows[first : first + plan.tile], (y_start, y_start + len(y_tile)), where))
            tiler.update_rows(best, first, y_start)
    return best


def self_neighbors(
    x: VectorSource, k: int, memory_bytes: int, device: str | None = None, advance: Advance | None = None
) -> SelfNeighbors:
    """The k nearest other rows of every row of x [n, d], by cosine, exactly, from half a product.

    Memory as in `mutual_neighbors`; the result is 16·k + 4 bytes a row.

    Raises:
        VectorError: if x is no matrix of float16 or float32, or a vector is zero or not finite.
    """
    check_matrix(x, "the vectors")
    check_sizes(k, len(x))
    where = pick_device(device)
    plan = Plan.of(x.shape[1], memory_bytes, where)
    best = Best(len(x), k, where)
    tiler = make_tiler(plan, where, x.shape[1], k)
    for slab_start in range(0, len(x), plan.slab):
        slab = tiler.rows(normalised(x, slab_start, min(slab_start + plan.slab, len(x)), "the vectors", where))
        report = _Share(advance, len(slab), -(-(len(x) - slab_start) // plan.tile))
        for y_start in range(slab_start, len(x), plan.tile):
            y_tile = tiler.columns(normalised(x, y_start, min(y_start + plan.tile, len(x)), "the vectors", where))
            for strip_start in range(0, min(len(slab), y_start - slab_start + 1), plan.tile):
                first = slab_start + strip_start
                tiler.product(slab[strip_start : strip_start + plan.tile], y_tile)
                if first == y_start:
                    tiler.hide_diagonal()
                else:
                    tiler.update_columns(best, first, y_start)
                tiler.update_rows(best, first, y_start)
            report.step()
    similarity, row = best.result()
    return SelfNeighbors(similarity, row)


def check_sizes(k: int, *rows: int) -> None:
    """Refuse no neighbours, and sides of more rows than a key can name.

    Raises:
        VectorError: if a side is too long.
    """
    if k < 1:
        raise ValueError(f"k is {k}; expected at least 1")
    if max(rows) > MAX_ROWS:
        raise VectorError(f"a side has {max(rows):,} rows; at most {MAX_ROWS:,} can be searched at once")


def _check_all(vectors: VectorSource, span: tuple[int, int], side: str, step: int, device: torch.device) -> None:
    for start in range(*span, step):
        normalised(vectors, start, min(start + step, span[1]), side, device)


class _Share:
    """Reports a slab's rows in even steps that add up to them."""

    def __init__(self, advance: Callable[[int], None] | None, rows: int, steps: int) -> None:
        self.advance, self.rows, self.steps, self.step_count = advance, rows, steps, 0

    def step(self) -> None:
        """One more step is done."""
        before = self.rows * self.step_count // self.steps
        self.step_count += 1
        if self.advance is not None:
            self.advance(self.rows * self.step_count // self.steps - before)
