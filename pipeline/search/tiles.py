"""Tiles of the product of two sides: how it is cut, and one tile's similarities as they go to the lines' best."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isqrt
from typing import Any

import torch

from pipeline.ground.matmul import goes_through_onednn, product
from pipeline.search.best import Best
from pipeline.search.lines import BLOCK, ColumnLines, Lines, RowLines

CPU_TILE = 2048
GPU_TILE = 8192
"""Rows and columns of a tile: 16 MiB of similarities stay near a CPU's cache; a GPU wants more work at once."""


def pick_device(device: str | None = None) -> torch.device:
    """The device named, else a CUDA device where there is one, else the CPU."""
    return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))


@dataclass(frozen=True)
class Plan:
    """How the product is cut: square tiles, and slabs of x that stay in memory while y goes by once a slab.

    Attributes:
        tile: rows and columns of a tile, at most.
        slab: rows of x in memory, a multiple of ``tile``.
    """

    tile: int
    slab: int

    @staticmethod
    def of(dimension: int, memory_bytes: int, device: torch.device) -> Plan:
        """What fits into ``memory_bytes``."""
        largest = GPU_TILE if device.type == "cuda" else CPU_TILE
        # An eighth of the memory is one tile; what is opened of it may be as large, and its keys twice. A quarter is a
        # slab, and as much again passes through its normalisation.
        side = isqrt(memory_bytes // 32)
        tile = max(BLOCK, min(largest, side // BLOCK * BLOCK))
        slab_rows = memory_bytes // 4 // (4 * max(dimension, 1))
        return Plan(tile, max(tile, slab_rows // tile * tile))


class Tiler:
    """One tile of similarities at a time, in memory that is used again, padded to whole blocks.

    Args:
        plan: how large a tile may be.
        device: where it is.

    Attributes:
        lowest: what stands where nothing is to be found: below every similarity.
    """

    lowest = float("-inf")

    def __init__(self, plan: Plan, device: torch.device) -> None:
        self.device, self.tile_rows = device, plan.tile
        self.buffer = torch.empty(plan.tile * plan.tile, dtype=torch.float32, device=device)
        self.tile = self.buffer[:0].view(0, 0)

    def rows(self, unit: torch.Tensor) -> Any:
        """Vectors of length 1 [r, d] as `product` wants its rows; may be sliced."""
        return unit

    def columns(self, unit: torch.Tensor) -> Any:
        """Vectors of length 1 [c, d] as `product` wants its columns."""
        return unit

    def product(self, strip: Any, y_tile: Any) -> None:
        """The similarities of a strip [r, d] with a tile [c, d]; -inf in the padding."""
        rows, columns = len(strip), len(y_tile)
        height, width = -(-rows // BLOCK) * BLOCK, -(-columns // BLOCK) * BLOCK
        self.tile = self.buffer[: height * width].view(height, width)
        if (height, width) == (rows, columns):
            if goes_through_onednn(strip, y_tile):
                self.tile = product(strip, y_tile)
            else:
                torch.mm(strip, y_tile.t(), out=self.tile)
            return
        self.tile.fill_(float("-inf"))
        self.tile[:rows, :columns] = product(strip, y_tile)

    def hide_diagonal(self) -> None:
        """Make a tile on the diagonal ignore each row's similarity with itself."""
        self.tile.fill_diagonal_(self.lowest)

    def hide(self, cells: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Make a tile ignore some cells, which are given as their rows and columns in it."""
        for rows, columns in cells:
            self.tile[rows, columns] = self.lowest

    def update_rows(self, best: Best, first: int, y_start: int, lines: int | None = None) -> None:
        """The tile's rows are lines, those from ``first`` on; padding is cut off past the last, or past ``lines`` of them."""
        count = min(len(self.tile), len(best.keys) - first) if lines is None else lines
        self._update(best, first, RowLines(self.tile, count), y_start)

    def update_columns(self, best: Best, first: int, line: int, lines: int | None = None) -> None:
        """The tile's columns are lines, those from ``line`` on; ``lines`` as for rows."""
        count = min(self.tile.shape[1], len(best.keys) - line) if lines is None else lines
        self._update(best, line, ColumnLines(self.tile, count), first)

    def _update(self, best: Best, first: int, lines: Lines, start: int) -> None:
        """See `Best.update`."""
        best.update(first, lines, start)
