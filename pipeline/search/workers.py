"""Who searches: this process, or an engine's workers, each with both sides' vectors mapped.

What is searched at a time is an item, plain data that knows what to do with the two sides. So one crew does whatever a search
needs one after the other, and one process does the same items as many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.artifacts.folders import VectorFolder
from pipeline.compute.in_process import here
from pipeline.compute.work import Count, Crew, Engine, SetUp, Terms, Work
from pipeline.ground.hashing import identity_hash
from pipeline.search.copies import Copies
from pipeline.search.folder_rows import SelectedVectors
from pipeline.search.scratch import Room
from pipeline.search.tiles import Plan, pick_device
from pipeline.search.vectors import VectorSource

RANGES = 4
"""Items for each worker, where there is a choice: a lost one's share is small, and none has much longer than the others."""


@dataclass(frozen=True)
class SearchWorkers:
    """The workers that search, where it is not this process alone.

    Attributes:
        engine: who searches.
        shared: folders that all workers must see.
    """

    engine: Engine
    shared: Sequence[Path] = ()


def worth(spread: SearchWorkers | None, x: VectorSource, y: VectorSource, memory_bytes: int) -> SearchWorkers | None:
    """The workers, if not all is in one tile: held-out sets, as a rule, are done before one would be ready."""
    tile = Plan.of(x.shape[1], memory_bytes, pick_device()).tile
    return None if max(len(x), len(y)) <= tile else spread


def ranges_wanted(spread: SearchWorkers | None) -> int:
    """Into how many items a search is cut, if there is a choice."""
    return 1 if spread is None else RANGES * spread.engine.workers


@dataclass(frozen=True)
class StoredSide:
    """One side as plain data: a folder of vectors, and which of its rows are mined.

    Attributes:
        folder: of the vectors.
        rows: which of them [n], or a file of them.
    """

    folder: Path
    rows: NDArray[np.int64] | Path

    @classmethod
    def of(cls, vectors: SelectedVectors, room: Room, name: str) -> StoredSide:
        """Where selected vectors came from; in a room of files, the rows are one of them, and no worker holds them."""
        if room.folder is None or len(vectors) == 0:
            return cls(vectors.folder.folder, vectors.rows)
        rows = room.array(name, np.int64, (len(vectors),))
        rows[:] = vectors.rows
        rows.flush()  # type: ignore[attr-defined]  # a memory map: others are to read it
        return cls(vectors.folder.folder, (room.folder / name).absolute())

    def open(self) -> SelectedVectors:
        """The vectors, memory-mapped."""
        rows = np.memmap(self.rows, np.int64, mode="r") if isinstance(self.rows, Path) else self.rows
        return SelectedVectors(VectorFolder(self.folder), rows)


@dataclass(frozen=True)
class Sides:
    """What items are given: both sides, and how they are searched.

    Attributes:
        x: side a's vectors [n, d].
        y: side b's [m, d].
        k: neighbours of a row.
        memory_bytes: for what is held while an item is done.
        device: a torch device; CUDA where there is one, if not given.
        opened: what items have opened, to be used by the next.
        copies: rows with the same text, which are no neighbours.
    """

    x: VectorSource
    y: VectorSource
    k: int
    memory_bytes: int
    device: str | None = None
    opened: dict[str, Any] = field(default_factory=dict)
    copies: Copies | None = None

    @property
    def where(self) -> torch.device:
        """The device."""
        return pick_device(self.device)

    @property
    def plan(self) -> Plan:
        """How products are cut."""
        return Plan.of(self.x.shape[1], self.memory_bytes, self.where)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What was opened under a name, opened now if it was not yet."""
        if name not in self.opened:
            self.opened[name] = make()
        return self.opened[name]


class Item(Protocol):
    """A part of a search."""

    def do(self, sides: Sides, advance: Count) -> Any:
        """Do it, and count the rows that are done; the result is plain data."""
        ...


def open_sides(a: StoredSide, b: StoredSide, k: int, memory_bytes: int, copies: Copies | None = None) -> SetUp[Sides]:
    """Open both sides; the set-up of `do_item`."""
    x, y = a.open(), b.open()
    sides = Sides(x, y, k, memory_bytes, copies=copies)
    made_by = {"a": x.folder.made_by, "b": y.folder.made_by}
    return SetUp(
        sides, {"vectors": identity_hash(made_by), "rows": [len(sides.x), len(sides.y)], "tile": sides.plan.tile}
    )


def do_item(sides: Sides, item: Item, advance: Count) -> Any:
    """Do any item."""
    return item.do(sides, advance)


@contextmanager
def searching(
    spread: SearchWorkers | None, sides: Sides, items: int, room: Room | None = None
) -> Iterator[Crew[Item, Any]]:
    """Who does the items of a search: this process if ``spread`` is None.

    Args:
        spread: the workers; they find vectors only in folders.
        sides: what is searched.
        items: how many there will be at a time, about.
        room: where files for the workers may lie.
    """
    if spread is None:
        yield here(do_item, sides)
        return
    x, y = sides.x, sides.y
    if not isinstance(x, SelectedVectors) or not isinstance(y, SelectedVectors):
        raise TypeError("workers can't be given vectors that are in no folder")
    room = room or Room()
    stored = StoredSide.of(x, room, "rows-a"), StoredSide.of(y, room, "rows-b")
    arguments = (*stored, sides.k, sides.memory_bytes, sides.copies)
    terms = Terms(lambda: {"rows": [len(x), len(y)]}, spread.shared)
    with spread.engine.crew(Work("mine", open_sides, arguments, do_item), items, terms) as crew:
        yield crew
