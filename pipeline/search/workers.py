"""Who searches: this process, or an engine's workers, each with both sides' vectors mapped.

What is searched at a time is an item, plain data that knows what to do with the two sides. So the same workers do whatever a
search needs one after the other, and one process does the same items as many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.artifacts.folders import VectorFolder
from pipeline.compute.in_process import here
from pipeline.compute.work import Count, Crew, SetUp, Terms, Work
from pipeline.ground.hashing import identity_hash
from pipeline.search.copies import CopiedTexts
from pipeline.search.folder_rows import SelectedVectors
from pipeline.search.job import SearchJob
from pipeline.search.scratch import ScratchArrays
from pipeline.search.tiles import Plan, pick_device
from pipeline.search.vectors import VectorSource

RANGES = 4
"""Items for each worker, where there is a choice: a lost one's share is small, and none has much longer than the others."""


def worth_workers(job: SearchJob, x: VectorSource, y: VectorSource) -> SearchJob:
    """The job without its workers if all is in one tile: held-out sets, as a rule, are done before one would be ready."""
    tile = Plan.of(x.shape[1], job.memory_bytes, pick_device(job.device)).tile
    return replace(job, workers=None) if max(len(x), len(y)) <= tile else job


def ranges_wanted(job: SearchJob) -> int:
    """Into how many items a search is cut, if there is a choice."""
    return 1 if job.workers is None else RANGES * job.workers.engine.workers


@dataclass(frozen=True)
class StoredSide:
    """One side as plain data: a folder of vectors, and which of its rows are mined.

    Attributes:
        folder: the vectors' folder.
        rows: which of them [n], or a file of them.
    """

    folder: Path
    rows: NDArray[np.int64] | Path

    @classmethod
    def of(cls, vectors: SelectedVectors, arrays: ScratchArrays, name: str) -> StoredSide:
        """Where selected vectors came from; in files, the rows are one of them, and no worker holds them."""
        if arrays.folder is None or len(vectors) == 0:
            return cls(vectors.folder.folder, vectors.rows)
        rows = arrays.array(name, np.int64, (len(vectors),))
        rows[:] = vectors.rows
        rows.flush()  # type: ignore[attr-defined]  # a memory map: others are to read it
        return cls(vectors.folder.folder, (arrays.folder / name).absolute())

    def open(self) -> SelectedVectors:
        """The vectors, memory-mapped."""
        rows = np.memmap(self.rows, np.int64, mode="r") if isinstance(self.rows, Path) else self.rows
        return SelectedVectors(VectorFolder(self.folder), rows)


@dataclass(frozen=True)
class Sides:
    """What the items of a search are given.

    Attributes:
        x: side a's vectors [n, d].
        y: side b's vectors [m, d].
        job: the search, as plain data.
        opened: what items have opened, to be used by the next.
    """

    x: VectorSource
    y: VectorSource
    job: SearchJob
    opened: dict[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> torch.device:
        """The device of exact products."""
        return pick_device(self.job.device)

    @property
    def plan(self) -> Plan:
        """How exact products are cut."""
        return Plan.of(self.x.shape[1], self.job.memory_bytes, self.where)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What was opened under a name, opened now if it was not yet."""
        if name not in self.opened:
            self.opened[name] = make()
        return self.opened[name]

    def turned(self, of_a: bool) -> tuple[VectorSource, VectorSource, CopiedTexts | None]:
        """The side that asks, the side that is searched, and the rows of them that are no neighbours."""
        copies = self.job.copies
        if of_a:
            return self.x, self.y, copies
        return self.y, self.x, None if copies is None else copies.swapped()


class Item(Protocol):
    """A part of a search: plain data, which knows what to do with the two sides."""

    def do(self, sides: Sides, advance: Count) -> Any:
        """Do it, and count the rows that are done; the result is plain data."""
        ...


def open_sides(a: StoredSide, b: StoredSide, job: SearchJob) -> SetUp[Sides]:
    """Open both sides; the set-up of `do_item`."""
    x, y = a.open(), b.open()
    sides = Sides(x, y, job)
    made_by = {"a": x.folder.made_by, "b": y.folder.made_by}
    identity = {"vectors": identity_hash(made_by), "rows": [len(x), len(y)], "tile": sides.plan.tile}
    return SetUp(sides, identity)


def do_item(sides: Sides, item: Item, advance: Count) -> Any:
    """Do any item."""
    return item.do(sides, advance)


@contextmanager
def searching(x: VectorSource, y: VectorSource, job: SearchJob, items: int) -> Iterator[Crew[Item, Any]]:
    """Who does the items of a search: the job's workers, or this process.

    Args:
        x: side a's vectors; workers find vectors only in folders.
        y: side b's vectors.
        job: the search.
        items: how many items there will be at a time, about.
    """
    if job.workers is None:
        yield here(do_item, Sides(x, y, job.plain()))
        return
    if not isinstance(x, SelectedVectors) or not isinstance(y, SelectedVectors):
        raise TypeError("workers can't be given vectors that are in no folder")
    stored = StoredSide.of(x, job.scratch, "rows-a"), StoredSide.of(y, job.scratch, "rows-b")
    terms = Terms(lambda: {"rows": [len(x), len(y)]}, job.workers.shared)
    work = Work("mine", open_sides, (*stored, job.plain()), do_item)
    with job.workers.engine.crew(work, items, terms) as workers:
        yield workers


def uncounted(_: int) -> None:
    """Count nothing."""
