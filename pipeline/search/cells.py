"""Approximate neighbours of a set in itself: cells of like rows, each compared with the cells nearest to it.

Rows are put into the cell of their nearest k-means centroid and written in that order, so that a cell is a slice. All rows of
a cell look into the same cells, those whose centroids are nearest to their own cell's: a few matrix products of slices, at
the speed of any product, where an inverted file has every row choose its lists and reads them for it alone. Which cells a
row's neighbours are in is known for a sample that is searched exactly; so many cells are looked into that the share asked
for is there with 95 % confidence, and what is found has its exact cosine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.console.progress import Advance
from pipeline.ground.arrays import CHUNK, Rows
from pipeline.ground.matmul import product
from pipeline.search.best import BLOCK, Best
from pipeline.search.kmeans import rows_by_cluster, train_centroids
from pipeline.search.neighbors import SelfNeighbors, check_sizes, one_way
from pipeline.search.scratch import Room
from pipeline.search.tiles import pick_device
from pipeline.search.vectors import VectorSource, check_matrix, gathered, normalised

POINTS = 30
"""Vectors that a centroid is trained on."""

ROUNDS = 8
"""Rounds of k-means."""

STRIP = 1024
"""Rows of a cell that are compared at once, at most."""

WIDTH = 4096
"""Rows of other cells that they are compared with at once."""

CONFIDENCE = 1.645
"""Standard errors that a sample's share of neighbours has to be above the one asked for: 95 %, one-sided."""


@dataclass(frozen=True)
class Cells:
    """A set of vectors, cell after cell.

    Attributes:
        centroids: of length 1 [c, d].
        unit: the vectors, of length 1, in the order of their cells [n, d].
        rows: the row of the set that each is [n], ascending in a cell.
        ends: where each cell's begin [c + 1].
        looked: a row looks into so many cells, its own among them.
        recall: the share of the true neighbours of the sample that are in these.
    """

    centroids: torch.Tensor
    unit: NDArray[np.float32]
    rows: Rows
    ends: Rows
    looked: int
    recall: float

    def span(self, cell: int) -> tuple[int, int]:
        """Where a cell's vectors begin, and end."""
        return int(self.ends[cell]), int(self.ends[cell + 1])

    def nearest(self, cell: int) -> list[int]:
        """The cells that a cell's rows look into, its own first."""
        scores = self.centroids @ self.centroids[cell]
        scores[cell] = float("inf")
        found: list[int] = scores.topk(self.looked).indices.tolist()
        return found


def cell_count(rows: int) -> int:
    """Cells of so many rows: about 1½·√rows, a power of two.

    With half as many a seventh more has to be compared for the same recall; with twice as many products are too small.

    >>> cell_count(100_000), cell_count(500_000), cell_count(5_000_000)
    (512, 1024, 4096)
    """
    return int(2 ** max(0, round(np.log2(1.5 * max(rows, 1) ** 0.5))))


def cell_neighbors(
    x: VectorSource,
    k: int,
    recall: float,
    sample: int,
    memory_bytes: int,
    room: Room,
    seed: int = 0,
    device: str | None = None,
    advance: Advance | None = None,
) -> tuple[SelfNeighbors, float]:
    """The k nearest other rows of every row of x, by cosine, of which about the share ``recall`` is found.

    Holds ``memory_bytes``, 4 bytes a row and the sample that centroids are trained on (`POINTS` vectors of each). The sorted
    rows and vectors and the result lie in the room, 8 + 4·d + 12·k bytes a row.

    Args:
        x: [n, d].
        k: neighbours of a row.
        recall: the share of the true neighbours that has to be in the cells that are looked into (`cells_to_look_into`).
        sample: rows of it.
        memory_bytes: for its exact search.
        room: for the sorted vectors, and for the result.
        seed: of the sample and of k-means.
        device: as for `mutual_neighbors`.
        advance: called with rows done; they add up to n.

    Returns:
        The neighbours, ties broken by the lower row, and the share that was measured on the sample.

    Raises:
        VectorError: if x is no matrix of float16 or float32, or a vector is zero or not finite.
        OSError: if those don't fit on the disk.
    """
    check_matrix(x, "the vectors")
    check_sizes(k, len(x))
    where = pick_device(device)
    cells = make_cells(x, k, recall, sample, memory_bytes, room, seed, where)
    similarities = room.array("similarities", np.float32, (len(x), k))
    found = SelfNeighbors(similarities, room.array("neighbors", np.int64, (len(x), k)))
    for cell in range(len(cells.centroids)):
        (first, last), others = cells.span(cell), [cells.span(other) for other in cells.nearest(cell)]
        for start in range(first, last, STRIP):
            stop = min(start + STRIP, last)
            similarity, row = _search(cells, (start, stop), others, k, where).result()
            found.similarity[cells.rows[start:stop]], found.row[cells.rows[start:stop]] = similarity, row
            if advance is not None:
                advance(stop - start)
    return found, cells.recall


def make_cells(
    x: VectorSource, k: int, recall: float, sample: int, memory_bytes: int, room: Room, seed: int, where: torch.device
) -> Cells:
    """Train centroids, sort the rows by them, and choose how many cells are looked into; see `cell_neighbors`."""
    generator = np.random.default_rng(seed)
    count = min(cell_count(len(x)), max(len(x), 1))
    trained_on = np.sort(generator.choice(len(x), min(len(x), count * POINTS), replace=False))
    training = gathered(x, trained_on, "the vectors", torch.device("cpu"))
    centroids = train_centroids(training, count, ROUNDS, POINTS, seed).to(where)
    home = np.empty(len(x), np.int32)
    for start in range(0, len(x), CHUNK):
        unit = normalised(x, start, min(start + CHUNK, len(x)), "the vectors", where)
        home[start : start + len(unit)] = product(unit, centroids).argmax(dim=1).cpu().numpy()
    members, ends = rows_by_cluster(home, count, room)
    vectors = room.array("cells", np.float32, (len(x), x.shape[1]))
    for start in range(0, len(x), CHUNK):
        rows = members[start : start + CHUNK]
        vectors[start : start + len(rows)] = gathered(x, rows, "the vectors", where).cpu().numpy()
    asked = np.sort(generator.choice(len(x), min(sample, len(x)), replace=False))
    near = one_way(x, asked, x, min(k + 1, len(x)), memory_bytes, str(where))[1]
    looked, found = cells_to_look_into(_places(near, asked, home, centroids), count, recall, len(x))
    return Cells(centroids, vectors, members, ends, looked, found)


def cells_to_look_into(places: Iterable[Rows], cells: int, recall: float, rows: int) -> tuple[int, float]:
    """The fewest cells that have the share of neighbours asked for, not by the luck of the sample but with 95 % confidence.

    That is the mean over the sample less 1.645 standard errors (one-sided normal bound, without replacement: a sample of
    all rows has no error).

    Args:
        places: for each row of the sample, the place of each neighbour's cell in the order of nearness (0: the row's own).
        cells: how many there are; 8 bytes of each are held a few times.
        recall: the share asked for.
        rows: that the sample was drawn from.

    Returns:
        So many cells, and the mean share of the sample's neighbours in them.
    """
    count, mean, square = 0, np.zeros(cells), np.zeros(cells)
    for row in places:
        if len(row):
            share = np.cumsum(np.bincount(row, minlength=cells)) / len(row)
            count, mean, square = count + 1, mean + share, square + share**2
    if not count:
        return 1, 1.0
    mean /= count
    variance = np.maximum(square / count - mean**2, 0) / count * (rows - count) / max(rows - 1, 1)
    # With all cells the mean is 1 and the variance 0: there is always an answer.
    looked = int(np.argmax(mean - CONFIDENCE * np.sqrt(variance) >= min(recall, mean[-1])))
    return looked + 1, float(mean[looked])


def _places(near: Rows, asked: Rows, home: NDArray[np.int32], centroids: torch.Tensor) -> Iterator[Rows]:
    """For every neighbour of each row asked for but itself, how many cells are nearer to the row's own than its cell."""
    for row, others in zip(asked.tolist(), near, strict=True):
        cells = torch.from_numpy(home[others[others != row]].astype(np.int64)).to(centroids.device)
        scores = centroids @ centroids[home[row]]
        scores[home[row]] = float("inf")
        yield (scores.unsqueeze(0) > scores[cells].unsqueeze(1)).sum(dim=1).cpu().numpy()


def _search(
    cells: Cells, span: tuple[int, int], others: Sequence[tuple[int, int]], k: int, where: torch.device
) -> Best:
    """The best of a span of rows among those of other spans; none is its own."""
    (start, stop), unit = span, cells.unit
    queries = torch.from_numpy(unit[start:stop]).to(where)
    # Cells come in the order of nearness, not of rows, so equals may win.
    best = Best(len(queries), k, where, ascending=False)
    for pieces in _tiles(others, WIDTH):
        columns = sum(last - first for first, last in pieces)
        padding = -columns % BLOCK
        parts = [torch.from_numpy(unit[first:last]) for first, last in pieces]
        if padding:
            parts.append(torch.zeros(padding, unit.shape[1]))
        similarity = product(queries, torch.cat(parts).to(where))
        similarity[:, columns:] = float("-inf")
        offset = 0
        for first, last in pieces:
            low, high = max(first, start), min(last, stop)
            if low < high:
                similarity[low - start : high - start, offset + low - first : offset + high - first].fill_diagonal_(
                    float("-inf")
                )
            offset += last - first
        rows = np.concatenate([*(cells.rows[first:last] for first, last in pieces), np.zeros(padding, np.int64)])
        blocks = similarity.view(len(queries), BLOCK, -1)
        best.update(0, blocks, blocks.amax(dim=1), torch.from_numpy(rows).to(where).view(BLOCK, -1))
    return best


def _tiles(spans: Sequence[tuple[int, int]], width: int) -> Iterator[list[tuple[int, int]]]:
    """Cut spans into lists of pieces of ``width`` rows together, but for the last."""
    pieces, room = [], width
    for first, last in spans:
        while first < last:
            taken = min(last - first, room)
            pieces.append((first, first + taken))
            first, room = first + taken, room - taken
            if room == 0:
                yield pieces
                pieces, room = [], width
    if pieces:
        yield pieces
