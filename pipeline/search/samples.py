"""Exact search for a sample of rows: what an approximate search is tuned and judged by.

A sample is small, the side that it is searched in is not: workers take a range of that side each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.compute.work import Count, Crew
from pipeline.search.best import decode_row, decode_similarity
from pipeline.search.blocks import Merged, Span, row_ranges
from pipeline.search.copies import Copies
from pipeline.search.neighbors import best_of_rows
from pipeline.search.scratch import Room
from pipeline.search.vectors import VectorSource
from pipeline.search.workers import Item, SearchWorkers, Sides, ranges_wanted, searching


class Sampler(Protocol):
    """Searches rows exactly."""

    def __call__(self, of_a: bool, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Similarities [r, k] and rows of the other side [r, k] of some rows [r] of side a, or of side b."""
        ...


@dataclass(frozen=True)
class OwnSampler:
    """`pipeline.search.neighbors.one_way`, by this process.

    Attributes:
        sides: what is searched.
    """

    sides: Sides

    def __call__(self, of_a: bool, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `Sampler`."""
        whole = (0, len(self.sides.y if of_a else self.sides.x))
        keys = torch.from_numpy(SampleRange(of_a, rows, whole).do(self.sides, _uncounted))
        return decode_similarity(keys).numpy(), decode_row(keys).numpy()


@dataclass(frozen=True)
class SampleRange:
    """A sample against a range of the other side.

    Attributes:
        of_a: whether the sample is of side a.
        rows: the sample [r].
        span: rows of the other side, beginning with a tile.
        device: where it is searched; None: as `Sides` says.
    """

    of_a: bool
    rows: NDArray[np.int64]
    span: Span
    device: str | None = None

    def do(self, sides: Sides, advance: Count) -> NDArray[np.int64]:
        """The keys [r, k] of the best; holds the sample's vectors as float32 besides ``memory_bytes``."""
        sides = replace(sides, device=self.device or sides.device)
        x, y = (sides.x, sides.y) if self.of_a else (sides.y, sides.x)
        copies = sides.copies if self.of_a or sides.copies is None else sides.copies.swapped()
        best = best_of_rows(x, self.rows, y, self.span, sides.k, sides.plan, sides.where, copies)
        keys: NDArray[np.int64] = best.keys.cpu().numpy()
        return keys


@dataclass(frozen=True)
class CrewSampler:
    """The same as `pipeline.search.neighbors.one_way`, by a crew.

    Attributes:
        sides: what the crew searches.
        crew: who searches.
        wanted: into how many ranges the other side is cut, about.
    """

    sides: Sides
    crew: Crew[Item, Any]
    wanted: int

    def __call__(self, of_a: bool, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `Sampler`; holds 20·k bytes a row of the sample, and up to four ranges' keys for each worker."""
        others = len(self.sides.y if of_a else self.sides.x)
        spans = row_ranges(others, self.sides.plan.tile, self.wanted)
        merged = Merged(len(rows), self.sides.k, Room(), "sample")
        for keys in self.crew.map([SampleRange(of_a, rows, span, self.sides.device) for span in spans], _uncounted):
            merged.take((0, len(rows)), keys)
        return merged.result(("similarity", "row"))


@contextmanager
def sampling(
    spread: SearchWorkers | None,
    x: VectorSource,
    y: VectorSource,
    k: int,
    memory_bytes: int,
    room: Room | None = None,
    device: str | None = None,
    copies: Copies | None = None,
) -> Iterator[tuple[Crew[Item, Any] | None, Sampler]]:
    """The workers, if there are any, and who searches samples: they, or this process.

    Samples are searched on the ``device``, if one is given, and without ``copies``; other arguments as of `searching`.
    """
    if spread is None:
        yield None, OwnSampler(Sides(x, y, k, memory_bytes, device, copies=copies))
        return
    sides, wanted = Sides(x, y, k, memory_bytes, device, copies=copies), ranges_wanted(spread)
    with searching(spread, sides, wanted, room) as crew:
        yield crew, CrewSampler(sides, crew, wanted)


def _uncounted(_: int) -> None:
    pass
