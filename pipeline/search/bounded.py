"""Exact search by way of bytes: products of sketches bound every similarity, and only what may matter is computed.

A CPU with VNNI, and a CUDA card, multiply bytes several times as fast as float32 (`pipeline.search.int8_vectors`). A
vector x of length 1 and its sketch x' (rotated, scaled and rounded to a byte a number) differ by e(x) = |x - x'|, which
is known, so by Cauchy and Schwarz

    |x·y - x'·y'| = |(x - x')·y + x'·(y - y')| <= e(x) + (1 + e(x))·e(y),

0.02 for 384 dimensions. A tile of sketch products therefore tells which of its pairs can be among the k best of a line.
These, a few dozen a line in all, are computed from the vectors themselves: no neighbour can be missed, and a similarity has
the same bits whatever range its pair was looked at in. A tile in which nearly all pairs are as good as each other (copies)
is multiplied in float32 instead; which tiles those are depends on the tile alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from pipeline.search.best import Best, encode
from pipeline.search.int8_vectors import DEVIATIONS, LOWEST, byte_products, multiplies_bytes, rotation
from pipeline.search.lines import BLOCK, ColumnLines, Lines, RowLines
from pipeline.search.tiles import Plan, Tiler

ROUNDING = 1e-5
"""Added to every bound: what float32 makes of rotations, errors and similarities."""

AT_ONCE = 2048
"""Pairs whose vectors are gathered at once: these stay in a CPU's cache. Of 32,768 the gathering takes five times as long."""

MOST_NEIGHBORS = 8
"""With more, nearly every block of a tile can hold one at first."""

DENSE = 20
"""A tile is multiplied in float32 if more than one in so many of its pairs may have to be computed."""

SAMPLED = 64
"""One in so many lines is looked at to tell."""


@dataclass(frozen=True)
class Sketched:
    """Vectors of length 1 and what bounds their products.

    Attributes:
        unit: float32 [r, d].
        sketch: int8 [r, d].
        error: e(x), float32 [r].
    """

    unit: torch.Tensor
    sketch: torch.Tensor
    error: torch.Tensor

    def __len__(self) -> int:
        return len(self.unit)

    def __getitem__(self, part: slice) -> Sketched:
        return Sketched(self.unit[part], self.sketch[part], self.error[part])

    def slack(self, others: Sketched) -> torch.Tensor:
        """By how much each one's similarity with any of the others can differ from their sketches' product [r]."""
        return self.error + (1 + self.error) * others.error.max() + ROUNDING


class BoundedTiler(Tiler):
    """Tiles of products of sketches whose lines keep exact similarities; see `pipeline.search.tiles.Tiler`.

    Args:
        plan: how large a tile may be.
        device: where tiles are.
        dimension: the vectors' dimension d.
    """

    lowest = LOWEST

    def __init__(self, plan: Plan, device: torch.device, dimension: int) -> None:
        super().__init__(plan, device)
        self.buffer = torch.empty(plan.tile * plan.tile, dtype=torch.int32, device=device)
        self.plain, self.plain_is_current, self.diagonal_is_hidden = Tiler(plan, device), False, False
        self.hidden: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.dense: bool | None = None
        self.scale: float = 127 * dimension**0.5 / DEVIATIONS
        self.rotation = rotation(dimension, 0).to(device) * self.scale

    def rows(self, unit: torch.Tensor) -> Sketched:
        """Vectors of length 1 [r, d] with their sketches; holds d bytes a vector more."""
        sketch = torch.empty(unit.shape, dtype=torch.int8, device=unit.device)
        error = torch.empty(len(unit), dtype=torch.float32, device=unit.device)
        for start in range(0, len(unit), self.tile_rows):
            part = slice(start, start + self.tile_rows)
            turned = unit[part] @ self.rotation
            rounded = turned.round().clamp_(-127, 127)
            sketch[part] = rounded.to(torch.int8)
            error[part] = torch.linalg.vector_norm(turned.sub_(rounded), dim=1).div_(self.scale)
        return Sketched(unit, sketch, error)

    columns = rows

    def product(self, strip: Sketched, y_tile: Sketched) -> None:
        """The products of the sketches of a strip [r] and a tile [c]; `LOWEST` in the padding."""
        self.strip, self.other, self.dense = strip, y_tile, None
        self.plain_is_current = self.diagonal_is_hidden = False
        self.hidden = []
        rows, columns = len(strip), len(y_tile)
        down, right = -rows % BLOCK, -columns % BLOCK
        one = torch.nn.functional.pad(strip.sketch, (0, 0, 0, down)) if down else strip.sketch
        other = torch.nn.functional.pad(y_tile.sketch, (0, 0, 0, right)) if right else y_tile.sketch
        self.tile = self.buffer[: len(one) * len(other)].view(len(one), len(other))
        byte_products(one, other.t(), self.tile)
        self.tile[rows:] = int(LOWEST)
        self.tile[:, columns:] = int(LOWEST)

    def hide_diagonal(self) -> None:
        """Make a tile on the diagonal ignore each row's similarity with itself."""
        super().hide_diagonal()
        self.diagonal_is_hidden = True

    def hide(self, cells: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Make a tile ignore some cells; see `Tiler.hide`."""
        self.hidden = list(cells)
        super().hide(self.hidden)

    def _update(self, best: Best, first: int, lines: Lines, start: int) -> None:
        """Compute what may be better than a line's k-th best, and keep what is."""
        are_rows, count = isinstance(lines, RowLines), lines.count
        if self._is_dense(best.k):
            self._update_plainly(best, first, start, count, are_rows)
            return
        these, others = (self.strip, self.other) if are_rows else (self.other, self.strip)
        these = these[:count]
        slack = these.slack(others)
        floor = best.floor[first : first + count]
        # Lines that hold less than k yet: k pairs have at least what their products reach, less slack.
        if bool(torch.isneginf(floor).any()) and (reached := lines.reached(best.k)) is not None:
            floor = torch.maximum(floor, reached / self.scale**2 - slack)
        own, other, _ = lines.above(((floor - slack) * self.scale**2).clamp_min(LOWEST))
        similarity = torch.empty(len(own), dtype=torch.float32, device=self.device)
        for begin in range(0, len(own), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            gathered = these.unit.index_select(0, own[part])
            similarity[part] = gathered.mul_(others.unit.index_select(0, other[part])).sum(dim=1)
        kept = similarity > floor[own]
        if kept.any():
            best.merge(first, own[kept], encode(similarity[kept], other[kept] + start))

    def _is_dense(self, k: int) -> bool:
        """Whether many pairs may be among the k best of a row or a column, whatever was found before.

        Asked once a tile, so that both directions have the same bits of a pair.
        """
        if self.dense is None:
            # The first lines: they lie together, also those of columns.
            height, width = (max(size // SAMPLED, 1) for size in self.tile.shape)
            rows = RowLines(self.tile, min(height, len(self.strip)))
            columns = ColumnLines(self.tile, min(width, len(self.other)))
            self.dense = self._many(k, rows, self.strip, self.other) or self._many(k, columns, self.other, self.strip)
        return self.dense

    def _many(self, k: int, sample: Lines, lines: Sketched, others: Sketched) -> bool:
        if (reached := sample.reached(k)) is None:
            return False
        found, _, _ = sample.above(reached - 2 * lines[: sample.count].slack(others) * self.scale**2)
        return len(found) * DENSE > sample.count * sample.length

    def _update_plainly(self, best: Best, first: int, start: int, count: int, lines_are_rows: bool) -> None:
        if not self.plain_is_current:
            self.plain.product(self.strip.unit, self.plain.columns(self.other.unit))
            if self.diagonal_is_hidden:
                self.plain.hide_diagonal()
            self.plain.hide(self.hidden)
            self.plain_is_current = True
        if lines_are_rows:
            self.plain.update_rows(best, first, start, count)
        else:
            self.plain.update_columns(best, start, first, count)


def bounds_pay(device: torch.device, dimension: int, k: int) -> bool:
    """Whether bounds by bytes are faster than similarities: for few neighbours, on a device that multiplies bytes fast.

    A CUDA card multiplies bytes only in dimensions that are multiples of eight.
    """
    return k <= MOST_NEIGHBORS and (device.type == "cpu" or dimension % 8 == 0) and multiplies_bytes(device)


def make_tiler(plan: Plan, device: torch.device, dimension: int, k: int) -> Tiler:
    """What makes tiles for so many neighbours on a device: bounds where they pay, similarities elsewhere."""
    return BoundedTiler(plan, device, dimension) if bounds_pay(device, dimension, k) else Tiler(plan, device)
