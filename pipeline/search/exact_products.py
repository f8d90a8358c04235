"""Exact nearest neighbours of both directions from one product of the two sides.

Two searches (as FAISS does them) multiply x by y and then y by x; here each tile of the one product x·yᵀ is used twice,
by its rows for the neighbours of x and by its columns for those of y. What is selected from a tile, and at what cost,
is in `pipeline.search.best`. A set against itself needs only the tiles on and above the diagonal, half the product
again.

The loops are the same everywhere, from the outside in: a *slab* of x is normalised once and stays in memory (a quarter
of it); tiles of y go by, each normalised once a slab; *strips* of the slab, as high as a tile, are multiplied with the
tile of y while it is in the cache. What a strip and a tile give goes at once to the best of the strip's rows and of the
tile's columns; no similarity is kept. y is the inner loop of what is read and x the outer, so that side b is read n /
slab times and side a once.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.ground.arrays import Rows
from pipeline.search.best import MAX_ROWS, Best
from pipeline.search.blocks import Span
from pipeline.search.bounded import make_tiler
from pipeline.search.vectors import VectorError, VectorSource, gathered, normalised
from pipeline.search.workers import Sides


def best_of_block(sides: Sides, spans: tuple[Span, Span], advance: Callable[[int], None]) -> tuple[Best, Best]:
    """What a range of rows of x and a range of rows of y say: of each of them the k best among the other range's.

    Ranges that begin at multiples of a tile are made of the same tiles as the whole, so their similarities have the
    same bits, and their candidates together are the whole's. Holds a slab of x and a tile of y as float32 and one tile
    of similarities, all within about the job's ``memory_bytes``, and 8·k + 4 bytes a row of both ranges.

    Args:
        sides: what is searched.
        spans: the first row of x, a multiple of a tile, and past the last; and the same of y.
        advance: called with rows of x done.

    Returns:
        The best of the rows of x and of the rows of y, lines from 0; the rows that their keys name are those of the whole.
    """
    (start, stop), (b_start, b_stop) = spans
    x, y, plan, where, copies = sides.x, sides.y, sides.plan, sides.where, sides.job.copies
    forward, backward = (Best(last - first, sides.job.k, where) for first, last in spans)
    tiler = make_tiler(plan, where, x.shape[1], sides.job.k)
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
    if start == stop:  # no product has looked at side b's vectors
        for first in range(b_start, b_stop, plan.tile):
            normalised(y, first, min(first + plan.tile, b_stop), "side b", where)
    return forward, backward


def best_of_rows(sides: Sides, of_a: bool, rows: Rows, span: Span) -> Best:
    """The k best of some rows of one side, all in memory, among a range of the other's, which begins with a tile.

    Args:
        sides: what is searched.
        of_a: whether the rows are side a's.
        rows: the rows [r].
        span: the range of the other side.
    """
    (x, y, copies), plan, where = sides.turned(of_a), sides.plan, sides.where
    names = ("side a", "side b") if of_a else ("side b", "side a")
    best, tiler = Best(len(rows), sides.job.k, where), make_tiler(plan, where, x.shape[1], sides.job.k)
    queries = tiler.rows(gathered(x, rows, names[0], where))
    for y_start in range(*span, plan.tile):
        y_tile = tiler.columns(normalised(y, y_start, min(y_start + plan.tile, span[1]), names[1], where))
        for first in range(0, len(rows), plan.tile):
            tiler.product(queries[first : first + plan.tile], y_tile)
            if copies is not None:
                tiler.hide(copies.cells(rows[first : first + plan.tile], (y_start, y_start + len(y_tile)), where))
            tiler.update_rows(best, first, y_start)
    return best


def best_of_self(sides: Sides, advance: Callable[[int], None]) -> Best:
    """The k best other rows of every row of side a, from half a product; memory as in `best_of_block`."""
    x, plan, where, name = sides.x, sides.plan, sides.where, "the vectors"
    best, tiler = Best(len(x), sides.job.k, where), make_tiler(plan, where, x.shape[1], sides.job.k)
    for slab_start in range(0, len(x), plan.slab):
        slab = tiler.rows(normalised(x, slab_start, min(slab_start + plan.slab, len(x)), name, where))
        report = _Share(advance, len(slab), -(-(len(x) - slab_start) // plan.tile))
        for y_start in range(slab_start, len(x), plan.tile):
            y_tile = tiler.columns(normalised(x, y_start, min(y_start + plan.tile, len(x)), name, where))
            # Strips up to the diagonal only: what lies beyond it was, or will be, a column of another tile.
            for strip_start in range(0, min(len(slab), y_start - slab_start + 1), plan.tile):
                first = slab_start + strip_start
                tiler.product(slab[strip_start : strip_start + plan.tile], y_tile)
                if first == y_start:
                    tiler.hide_diagonal()
                else:
                    tiler.update_columns(best, first, y_start)
                tiler.update_rows(best, first, y_start)
            report.step()
    return best


def check_rows(*sides: VectorSource) -> None:
    """Refuse sides of more rows than a key can name.

    Raises:
        VectorError: if a side is too long.
    """
    rows = max(map(len, sides))
    if rows > MAX_ROWS:
        raise VectorError(f"a side has {rows:,} rows; at most {MAX_ROWS:,} can be searched exactly at once")


class _Share:
    """Reports a slab's rows in even steps that add up to them."""

    def __init__(self, advance: Callable[[int], None], rows: int, steps: int) -> None:
        self.advance, self.rows, self.steps, self.step_count = advance, rows, steps, 0

    def step(self) -> None:
        """One more step is done."""
        before = self.rows * self.step_count // self.steps
        self.step_count += 1
        self.advance(self.rows * self.step_count // self.steps - before)
