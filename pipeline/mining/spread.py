"""Exact mining by many workers: each takes ranges of side a's rows against all of side b.

A range's own rows are done with it; of each row of side b it gives the k best among its rows, and the k best of all ranges'
are the k best of all (`pipeline.mining.best` orders candidates without regard to when they came). Ranges are made of whole
tiles, so every similarity has the bits that one process gives it, and the neighbours are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.compute.work import Count, Engine, SetUp, Terms, Work
from pipeline.folders import VectorFolder
from pipeline.hashing import identity_hash
from pipeline.mining.best import EMPTY, decode_row, decode_similarity
from pipeline.mining.neighbors import Neighbors, best_of_range, mutual_neighbors
from pipeline.mining.selected import SelectedVectors
from pipeline.mining.tiles import Plan, pick_device
from pipeline.mining.vectors import check_pair
from pipeline.progress import Advance

RANGES = 4
"""For each worker: a lost one's share is small, and none has much longer than the others."""


@dataclass(frozen=True)
class StoredSide:
    """One side as plain data: a folder of vectors, and which of its rows are mined.

    Attributes:
        folder: of the vectors.
        rows: which of them [n].
    """

    folder: Path
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, vectors: SelectedVectors) -> StoredSide:
        """Where selected vectors came from."""
        return cls(vectors.folder.folder, vectors.rows)

    def open(self) -> SelectedVectors:
        """The vectors, memory-mapped."""
        return SelectedVectors(VectorFolder(self.folder), self.rows)


@dataclass(frozen=True)
class Sides:
    """What a worker has: both sides, and how they are searched."""

    x: SelectedVectors
    y: SelectedVectors
    k: int
    memory_bytes: int


@dataclass(frozen=True)
class RangeBest:
    """What a range of side a gave, as the keys of `pipeline.mining.best`.

    Attributes:
        forward: int64 [rows of the range, k].
        backward: int64 [m, k].
    """

    forward: NDArray[np.int64]
    backward: NDArray[np.int64]


def open_sides(a: StoredSide, b: StoredSide, k: int, memory_bytes: int) -> SetUp[Sides]:
    """Open both sides; the set-up of `mine_range`. Holds their keys, 16 bytes a row, and 8 a mined one."""
    sides = Sides(a.open(), b.open(), k, memory_bytes)
    made_by = {"a": sides.x.folder.made_by, "b": sides.y.folder.made_by}
    plan = _plan(sides.x, memory_bytes)
    return SetUp(sides, {"vectors": identity_hash(made_by), "rows": [len(sides.x), len(sides.y)], "tile": plan.tile})


def mine_range(sides: Sides, item: tuple[int, int], advance: Count) -> RangeBest:
    """Search a range of rows; holds ``memory_bytes``, and 16·k + 4 bytes a row of side b and of the range."""
    x, plan = sides.x, _plan(sides.x, sides.memory_bytes)
    forward, backward = best_of_range(x, *item, sides.y, sides.k, plan, pick_device(), advance)
    return RangeBest(forward.keys.cpu().numpy(), backward.keys.cpu().numpy())


def spread_neighbors(
    engine: Engine,
    x: SelectedVectors,
    y: SelectedVectors,
    k: int,
    memory_bytes: int,
    advance: Advance,
    shared: Sequence[Path] = (),
) -> Neighbors:
    """The same as `pipeline.mining.neighbors.mutual_neighbors`, by an engine's workers; a single tile is done here.

    Holds the result, and up to four ranges' 8·k bytes a row of side b for each worker; no similarities.

    Args:
        engine: who searches.
        x: side a's vectors [n, d].
        y: side b's [m, d].
        k: neighbours of a row.
        memory_bytes: for what each worker holds besides its results.
        advance: called with rows of x done.
        shared: folders that all workers must see.

    Raises:
        VectorError: if the sides can't be compared, or a vector is zero or not finite.
    """
    check_pair(x, y)
    tile = _plan(x, memory_bytes).tile
    if max(len(x), len(y)) <= tile:  # held-out sets, as a rule: done before a worker would be ready
        return mutual_neighbors(x, y, k, memory_bytes, advance=advance)
    ranges = row_ranges(len(x), tile, RANGES * engine.workers)
    arguments = (StoredSide.of(x), StoredSide.of(y), k, memory_bytes)
    work = Work("mine", open_sides, arguments, mine_range)
    terms = Terms(lambda: {"rows": [len(x), len(y)]}, shared)
    forward = torch.full((len(x), k), EMPTY, dtype=torch.int64)
    backward = torch.full((len(y), k), EMPTY, dtype=torch.int64)
    with engine.crew(work, len(ranges), terms) as crew:
        for (start, stop), found in zip(ranges, crew.map(ranges, advance), strict=True):
            forward[start:stop] = _tensor(found.forward)
            backward = torch.cat([backward, _tensor(found.backward)], dim=1).topk(k, dim=1).values
    return Neighbors(*_decoded(forward), *_decoded(backward))


def row_ranges(rows: int, tile: int, most: int) -> list[tuple[int, int]]:
    """Rows cut into at most ``most`` ranges of whole tiles; one, perhaps empty, in any case.

    >>> row_ranges(10, 2, 3)
    [(0, 4), (4, 8), (8, 10)]
    """
    step = max(-(-rows // (tile * most)), 1) * tile
    return [(start, min(start + step, rows)) for start in range(0, max(rows, 1), step)]


def _plan(x: SelectedVectors, memory_bytes: int) -> Plan:
    return Plan.of(x.shape[1], memory_bytes, pick_device())


def _tensor(keys: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(keys if keys.flags.writeable else keys.copy())


def _decoded(keys: torch.Tensor) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    return decode_similarity(keys).numpy(), decode_row(keys).numpy()
