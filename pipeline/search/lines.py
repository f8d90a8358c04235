"""A tile of similarities as lines, its rows or its columns, of which what exceeds each line's own bound is wanted.

A tile is looked at through the maxima of blocks of a line's entries (one vectorised pass, 0.05 ns an entry); only blocks
whose maximum exceeds the line's bound are opened. A row's blocks, of 32, are next to each other in memory, and each is taken
as a piece. A column's blocks, of 8, lie under one another: those of all columns that cover the same rows are opened together,
while these are in the cache.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

BLOCK = 32
"""Entries that share one maximum of a row; a tile's rows and columns come by this many."""

FINE = 8
"""Entries that share one maximum of a column, and where a first bound is looked for."""

Above = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Entries [e]: their lines in ascending order, their places in the lines, and what they are."""


@dataclass(frozen=True)
class Lines(ABC):
    """The first rows of a tile, or its first columns."""

    tile: torch.Tensor  # contiguous [h, w]
    count: int  # how many lines

    @property
    @abstractmethod
    def length(self) -> int:
        """Entries of a line."""

    @abstractmethod
    def fine_maxima(self) -> torch.Tensor:
        """The maxima of each line's blocks of `FINE` entries [count, length / FINE]."""

    @abstractmethod
    def above(self, least: torch.Tensor) -> Above:
        """The entries greater than their line's ``least`` [count]."""

    def reached(self, k: int) -> torch.Tensor | None:
        """What at least k entries of each line reach [count]; None where a line has too few blocks to tell."""
        maxima = self.fine_maxima()
        return maxima.topk(k, dim=1).values[:, -1] if k <= maxima.shape[1] else None


class RowLines(Lines):
    """The first rows of a tile."""

    @property
    def length(self) -> int:
        """Entries of a line."""
        return self.tile.shape[1]

    def fine_maxima(self) -> torch.Tensor:
        """See `Lines.fine_maxima`."""
        return self.tile[: self.count].view(self.count, -1, FINE).amax(dim=2)

    def above(self, least: torch.Tensor) -> Above:
        """The entries greater than their line's ``least`` [count]."""
        maxima = self.tile[: self.count].view(self.count, -1, BLOCK).amax(dim=2)
        line, block = (maxima > least[:, None]).nonzero(as_tuple=True)
        opened = self.tile.view(-1, BLOCK).index_select(0, line * maxima.shape[1] + block)
        hit, place = (opened > least[line, None]).nonzero(as_tuple=True)
        return line[hit], block[hit] * BLOCK + place, opened[hit, place]


class ColumnLines(Lines):
    """The first columns of a tile."""

    @property
    def length(self) -> int:
        """Entries of a line."""
        return len(self.tile)

    def _blocks(self) -> torch.Tensor:
        return self.tile.view(-1, FINE, self.tile.shape[1])[:, :, : self.count]

    def fine_maxima(self) -> torch.Tensor:
        """See `Lines.fine_maxima`."""
        return self._blocks().amax(dim=1).t()

    def above(self, least: torch.Tensor) -> Above:
        """The entries greater than their line's ``least`` [count]."""
        blocks = self._blocks()
        block, line = (blocks.amax(dim=1) > least).nonzero(as_tuple=True)
        opened = blocks[block, :, line]
        hit, place = (opened > least[line, None]).nonzero(as_tuple=True)
        lines, order = torch.sort(line[hit], stable=True)
        hit, place = hit[order], place[order]
        return lines, block[hit] * FINE + place, opened[hit, place]
