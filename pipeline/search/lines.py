"""A tile of similarities as lines, its rows or its columns, of which what exceeds each line's own bound is wanted.

A tile is looked at through the maxima of blocks of a line's entries (one vectorised pass, 0.05 ns an entry); only blocks
whose maximum exceeds the line's bound are opened. A row's blocks, of 32, are next to each other in memory, and each is taken
as a piece. A column's blocks, of 8, lie under one another: those of all columns that cover the same rows are opened together,
while these are in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

BLOCK = 32
"""Entries that share one maximum of a row; a tile's rows and columns come by this many."""

FINE = 8
"""Entries that share one maximum of a column, and where a first bound is looked for."""

Above = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Entries [e]: their lines in ascending order, their places in the lines, and what they are."""


@dataclass(frozen=True)
class RowLines:
    """The first rows of a tile."""

    tile: torch.Tensor  # contiguous [h, w]
    count: int  # how many rows

    @property
    def length(self) -> int:
        """Entries of a line."""
        return self.tile.shape[1]

    def reached(self, k: int) -> torch.Tensor | None:
        """What at least k entries of each line reach [count]; None where a line has too few blocks to tell."""
        return _kth(self.tile[: self.count].view(self.count, -1, FINE).amax(dim=2), k)

    def above(self, least: torch.Tensor) -> Above:
        """The entries greater than their line's ``least`` [count]."""
        maxima = self.tile[: self.count].view(self.count, -1, BLOCK).amax(dim=2)
        line, block = (maxima > least[:, None]).nonzero(as_tuple=True)
        opened = self.tile.view(-1, BLOCK).index_select(0, line * maxima.shape[1] + block)
        hit, place = (opened > least[line, None]).nonzero(as_tuple=True)
        return line[hit], block[hit] * BLOCK + place, opened[hit, place]


@dataclass(frozen=True)
class ColumnLines:
    """The first columns of a tile; see `RowLines`."""

    tile: torch.Tensor  # contiguous [h, w]
    count: int  # how many columns

    @property
    def length(self) -> int:
        """Entries of a line."""
        return len(self.tile)

    def _blocks(self) -> torch.Tensor:
        return self.tile.view(-1, FINE, self.tile.shape[1])[:, :, : self.count]

    def reached(self, k: int) -> torch.Tensor | None:
        """What at least k entries of each line reach [count]; None where a line has too few blocks to tell."""
        return _kth(self._blocks().amax(dim=1).t(), k)

    def above(self, least: torch.Tensor) -> Above:
        """The entries greater than their line's ``least`` [count]."""
        blocks = self._blocks()
        block, line = (blocks.amax(dim=1) > least).nonzero(as_tuple=True)
        opened = blocks[block, :, line]
        hit, place = (opened > least[line, None]).nonzero(as_tuple=True)
        lines, order = torch.sort(line[hit], stable=True)
        hit, place = hit[order], place[order]
        return lines, block[hit] * FINE + place, opened[hit, place]


Lines = RowLines | ColumnLines


def _kth(maxima: torch.Tensor, k: int) -> torch.Tensor | None:
    """The k-th greatest of each line's maxima [lines, b], which so many different entries are."""
    return maxima.topk(k, dim=1).values[:, -1] if k <= maxima.shape[1] else None
