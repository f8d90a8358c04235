"""Exact search for a sample of rows: what an approximate search is tuned and judged by.

A sample is small, the side that it is searched in is not: workers take a range of that side each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pipeline.compute.work import Count, Crew
from pipeline.ground.arrays import Rows
from pipeline.search.blocks import Merged, Span, row_ranges
from pipeline.search.exact_products import best_of_rows
from pipeline.search.job import SearchJob
from pipeline.search.neighbors import Found
from pipeline.search.scratch import ScratchArrays
from pipeline.search.vectors import VectorSource, check_pair
from pipeline.search.workers import Item, Sides, ranges_wanted, searching, uncounted


@dataclass(frozen=True)
class SampleRange:
    """A sample against a range of the other side.

    Attributes:
        of_a: whether the sample is of side a.
        rows: the sample [r].
        span: rows of the other side, beginning with a tile.
    """

    of_a: bool
    rows: Rows
    span: Span

    def do(self, sides: Sides, advance: Count) -> Rows:
        """The keys [r, k] of the best; holds the sample's vectors as float32 besides ``memory_bytes``."""
        keys: Rows = best_of_rows(sides, self.of_a, self.rows, self.span).keys.cpu().numpy()
        return keys


@dataclass(frozen=True)
class Sampler:
    """Searches rows exactly.

    Attributes:
        sides: what is searched.
        workers: who searches.
        wanted: into how many ranges the other side is cut, about.
    """

    sides: Sides
    workers: Crew[Item, Any]
    wanted: int

    def __call__(self, of_a: bool, rows: Rows) -> Found:
        """The neighbours of some rows [r] of side a, or of side b, among all of the other side's.

        Holds 20·k bytes a row of the sample, and up to four ranges' keys for each worker.
        """
        others = len(self.sides.y if of_a else self.sides.x)
        spans = row_ranges(others, self.sides.plan.tile, self.wanted)
        merged = Merged(len(rows), self.sides.job.k, ScratchArrays(), "sample")
        for keys in self.workers.map([SampleRange(of_a, rows, span) for span in spans], uncounted):
            merged.take((0, len(rows)), keys)
        return merged.result(("similarity", "row"))


@contextmanager
def sampling(x: VectorSource, y: VectorSource, job: SearchJob) -> Iterator[Sampler]:
    """Who searches samples of two sides exactly: the job's workers, or this process.

    Raises:
        VectorError: if the sides can't be compared.
    """
    check_pair(x, y)
    wanted = ranges_wanted(job)
    with searching(x, y, job, wanted) as workers:
        yield Sampler(Sides(x, y, job.plain()), workers, wanted)
