"""Approximate neighbours of both directions from one pass over clusters, with sketches for the first look.

Both sides share k-means centroids. A row of side b stands in the cluster of its nearest centroid; a row of side a looks into
every cluster whose centroid is nearly as near as its nearest one. Each cluster is one small product of sketches
(`pipeline.search.int8_vectors`), used by its rows and by its columns as the tiles of the exact search are; the best few
candidates of each row are then scored with the vectors themselves. Against an inverted file this reads each cluster once for
all who ask, at the speed of a matrix product, and one pass serves both directions.

How far a row looks follows from a sample that is searched exactly: a neighbour can be found only if its cluster is looked
into, so the recall of every choice is known before anything is searched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.compute.in_process import here
from pipeline.compute.work import Count, Crew
from pipeline.console.progress import Advance
from pipeline.ground.arrays import Rows
from pipeline.search.best import BLOCK, Best
from pipeline.search.blocks import Block, BlockBest, Merged, Span, block_rows, cut, row_ranges
from pipeline.search.copies import Copies
from pipeline.search.int8_vectors import (
    LOWEST,
    Bytes,
    SketchTiler,
    byte_products,
    make_projection,
    rescored,
    rescoring_rows,
    sketch_all,
)
from pipeline.search.kmeans import rows_by_cluster, train_centroids
from pipeline.search.neighbors import Neighbors, check_sizes, one_way
from pipeline.search.samples import Sampler
from pipeline.search.scratch import Room
from pipeline.search.tiles import Plan, pick_device
from pipeline.search.vectors import VectorSource, check_pair, gathered
from pipeline.search.workers import Item, Sides, do_item

POINTS = 20
"""Vectors that a centroid is trained on."""

ROUNDS = 6
"""Rounds of k-means."""

SPARE = 2
"""Candidates of a row beyond k: sketches exchange neighbours that are nearly as near."""

ABOUT_FILE = "clusters.npz"
"""Of a clustering's folder: what is small. Arrays lie beside it."""

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Clustering:
    """Shared clusters of two sides, over their sketches.

    Attributes:
        centroids: sketches of the centroids [s, c].
        a: side a's sketches [n, s].
        b: side b's sketches [m, s].
        members: side b's rows [m] by the cluster that they stand in, ascending in each.
        ends: where each cluster's begin among them [c + 1].
        gap: a row of side a looks into clusters whose centroid's product is at most so much below its best one's.
        recall: the share of the true neighbours, both directions, that can be found; measured on the sample.
    """

    centroids: torch.Tensor
    a: Bytes
    b: Bytes
    members: Rows
    ends: Rows
    gap: int
    recall: float

    def save(self, folder: Path) -> None:
        """Complete the folder in which the arrays were made, so that others can open it."""
        for array in (self.a, self.b, self.members):
            if isinstance(array, np.memmap):
                array.flush()
        centroids = self.centroids.cpu().numpy()
        np.savez(folder / ABOUT_FILE, centroids=centroids, ends=self.ends, gap=self.gap, recall=self.recall)

    @staticmethod
    def open(folder: Path, device: torch.device) -> Clustering:
        """What was saved, memory-mapped."""
        with np.load(folder / ABOUT_FILE, allow_pickle=False) as small:
            centroids, ends = torch.from_numpy(small["centroids"]).to(device), small["ends"]
            gap, recall = int(small["gap"]), float(small["recall"])
        shape = (-1, centroids.shape[0])
        a, b = (np.memmap(folder / f"{name}.sketches", np.int8, mode="c").reshape(shape) for name in "ab")
        return Clustering(centroids, a, b, np.memmap(folder / "members", np.int64, mode="c"), ends, gap, recall)


def cluster_count(rows: int) -> int:
    """Clusters for the smaller side's rows: about √rows, a power of two.

    Four times as many need 0.6 times the products for the same recall, but each cluster has a price too.

    >>> cluster_count(100_000), cluster_count(5_000_000)
    (256, 2048)
    """
    return int(2 ** max(0, round(np.log2(max(rows, 1) ** 0.5))))


def make_clusters(
    x: VectorSource,
    y: VectorSource,
    k: int,
    recall: float,
    sample: int,
    memory_bytes: int,
    seed: int = 0,
    device: str | None = None,
    size: int | None = None,
    folder: Path | None = None,
    sampler: Sampler | None = None,
) -> Clustering:
    """Sketch both sides, train centroids on a sample, and choose how far a row looks.

    Holds the training sample and, without a folder, d bytes a row of both sides and 12 a row of side b.

    Args:
        x: side a's vectors [n, d], n at least 1.
        y: side b's vectors [m, d], m at least 1.
        k: neighbours of a row.
        recall: the share of the true neighbours that has to be found.
        sample: rows of each side that are searched exactly.
        memory_bytes: for one tile of similarities.
        seed: of samples, rotation and k-means.
        device: as for `mutual_neighbors`.
        size: numbers of a sketch; d where it isn't given.
        folder: where these lie, memory-mapped, if they are not to be held; `Clustering.open` finds them there.
        sampler: who searches the samples; this process, if not given.

    Raises:
        VectorError: if the sides can't be compared, or a vector is zero or not finite.
        OSError: if they don't fit on the disk.
    """
    check_pair(x, y)
    room = Room(folder)
    where, plan = pick_device(device), Plan.of(x.shape[1], memory_bytes, pick_device(device))
    generator = np.random.default_rng(seed)
    count = cluster_count(min(len(x), len(y)))
    training = _training_sample(x, y, count, generator).to(where)
    projection = make_projection(training, size or x.shape[1], seed)
    centroids = _centroids(training @ projection.matrix, count, seed).to(where)
    sketch = projection.matrix.shape[1]
    a = sketch_all(x, projection, plan, "side a", room.array("a.sketches", np.int8, (len(x), sketch)))
    b = sketch_all(y, projection, plan, "side b", room.array("b.sketches", np.int8, (len(y), sketch)))
    home = room.array("home", np.int32, (len(b),))
    for start, scores in _centroid_scores(b, centroids, plan.tile):
        home[start : start + len(scores)] = scores.argmax(dim=1).cpu().numpy()
    gaps = []
    for one, other, of_a in ((x, y, True), (y, x, False)):
        rows = np.sort(generator.choice(len(one), min(sample, len(one)), replace=False))
        searched = one_way(one, rows, other, k, memory_bytes, device) if sampler is None else sampler(of_a, rows)
        found = searched[1]
        line, column = np.nonzero(found >= 0)
        near = found[line, column]
        in_a, in_b = (rows[line], near) if of_a else (near, rows[line])
        gaps.append(_gaps(a, in_a, home[in_b], centroids, plan.tile))
    needed = np.sort(np.concatenate(gaps))
    gap = int(needed[min(len(needed) - 1, int(np.ceil(recall * len(needed))) - 1)])
    members, ends = rows_by_cluster(home, count, room)
    room.drop("home")
    clusters = Clustering(centroids, a, b, members, ends, gap, float((needed <= gap).mean()))
    if folder is not None:
        clusters.save(folder)
    return clusters


def _training_sample(x: VectorSource, y: VectorSource, count: int, generator: np.random.Generator) -> torch.Tensor:
    cpu, parts = torch.device("cpu"), []
    for side, name in ((x, "side a"), (y, "side b")):
        rows = np.sort(generator.choice(len(side), min(len(side), count * POINTS // 2 + 1), replace=False))
        parts.append(gathered(side, rows, name, cpu))
    return torch.cat(parts)


def _centroids(sample: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Sketches of centroids [s, c], scaled to use a byte's range."""
    centroids = train_centroids(sample, count, ROUNDS, POINTS, seed)
    scale = 127 / torch.quantile(centroids.abs().flatten()[: 1 << 20], 0.9999)
    return (centroids * scale).round_().clamp_(-127, 127).to(torch.int8).t().contiguous()


def _centroid_scores(sketches: Bytes, centroids: torch.Tensor, step: int) -> Iterator[tuple[int, torch.Tensor]]:
    for start in range(0, len(sketches), step):
        part = torch.from_numpy(np.ascontiguousarray(sketches[start : start + step])).to(centroids.device)
        yield start, byte_products(part, centroids)


def _gaps(a: Bytes, rows: Rows, home: Ints, centroids: torch.Tensor, step: int) -> NDArray[np.int64]:
    """How much worse the product with the given centroid is than with the nearest, of each row of side a."""
    gaps = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        scores = byte_products(torch.from_numpy(a[rows[part]]).to(centroids.device), centroids)
        own = scores.gather(1, torch.from_numpy(home[part].astype(np.int64)).to(scores.device).unsqueeze(1))
        gaps[part] = (scores.amax(dim=1) - own.squeeze(1)).cpu().numpy()
    return gaps


@dataclass(frozen=True)
class ClusterBlock:
    """A block of what meets in clusters.

    Attributes:
        block: rows of both sides.
        folder: of the clustering, where this process hasn't opened it.
    """

    block: Block
    folder: Path | None

    def do(self, sides: Sides, advance: Count) -> BlockBest:
        """Search it; holds about ``memory_bytes``, and 16·(k + SPARE) + 4 bytes a row of the block, at most half as much."""
        clusters = _opened(self.folder, sides)
        plan, where, count = sides.plan, sides.where, clusters.centroids.shape[1]
        (a_start, a_stop), of_b = self.block.a, self.block.b
        tiler, width = SketchTiler(plan, where), sides.k + SPARE
        # Clusters come to a row in any order, so equals may win.
        forward, backward = (
            Best(stop - start, width, where, LOWEST, ascending=False) for start, stop in (self.block.a, of_b)
        )
        # What looks into every cluster still fits into half of the memory.
        slab, counted = max(plan.tile, sides.memory_bytes // (16 * count)), self.block.share(advance)
        for start in range(a_start, a_stop, slab):
            stop = min(start + slab, a_stop)
            for first_look in (True, False):  # the nearest cluster first: little surpasses what it gives
                asking = _asking(clusters, start, stop, plan.tile, first_look)
                for cluster in range(count):
                    for b in _cut(_standing(clusters, cluster, of_b), plan.tile):
                        columns = torch.from_numpy(clusters.b[b]).to(where).t().contiguous()
                        index_b = torch.from_numpy(b).to(where)
                        most = plan.tile * plan.tile // (-(-len(b) // BLOCK) * BLOCK) // BLOCK * BLOCK
                        for a in _cut(asking[cluster], most):
                            tiler.product(torch.from_numpy(clusters.a[a]).to(where), columns)
                            if sides.copies is not None:
                                tiler.hide(sides.copies.cells(a, b, where))
                            index_a = torch.from_numpy(a).to(where)
                            tiler.update_picked(forward, backward, index_a, index_b, (a_start, of_b[0]))
            counted(stop - start)
        return BlockBest(forward.keys.cpu().numpy(), backward.keys.cpu().numpy())


@dataclass(frozen=True)
class Rescoring:
    """Candidates whose exact cosines are wanted.

    Attributes:
        of_a: whether they are candidates of side a's rows.
        span: the rows.
        candidates: rows of the other side [rows of the span, c]; -1: none.
    """

    of_a: bool
    span: Span
    candidates: Rows

    def do(self, sides: Sides, advance: Count) -> tuple[NDArray[np.float32], Rows]:
        """The best k of each row; holds about ``memory_bytes``."""
        x, y = (sides.x, sides.y) if self.of_a else (sides.y, sides.x)
        return rescored(x, y, self.candidates, sides.k, sides.memory_bytes, sides.where, self.span[0])


def _opened(folder: Path | None, sides: Sides) -> Clustering:
    found: Clustering = sides.once(f"clusters {folder}", lambda: Clustering.open(Path(str(folder)), sides.where))
    return found


def clustered_neighbors(
    x: VectorSource,
    y: VectorSource,
    k: int,
    clusters: Clustering,
    memory_bytes: int,
    device: str | None = None,
    advance: Advance | None = None,
    room: Room | None = None,
    crew: Crew[Item, Any] | None = None,
    wanted: int = 1,
    folder: Path | None = None,
    copies: Copies | None = None,
) -> Neighbors:
    """The k nearest neighbours of both directions among the rows that meet in a cluster.

    Every similarity is exact; what may be missing are neighbours whose cluster was not looked into, or, rarely, whose sketch
    was not among the row's best k + `SPARE`. Holds 1½ times ``memory_bytes``, 8·(k + SPARE) + 12·k bytes a
    row where the room is memory, and up to four blocks' best for each worker, at most ``memory_bytes`` together.

    Args:
        x: [n, d].
        y: [m, d].
        k: neighbours of a row.
        clusters: of these two sides.
        memory_bytes: for what is held besides.
        device: as for `mutual_neighbors`, where this process searches.
        advance: called with rows of x done; they add up to n.
        room: for the result; memory, if not given.
        crew: who searches; this process, if not given.
        wanted: into how many blocks the product is cut, about, if fewer would do.
        folder: of the clusters, where the crew finds them.
        copies: rows with the same text, which are no neighbours; a crew knows them already.

    Raises:
        VectorError: as `make_clusters` does.
        OSError: if the result doesn't fit on the disk.
    """
    check_pair(x, y)
    check_sizes(k, len(x), len(y))
    room, sides = room or Room(), Sides(x, y, k, memory_bytes, device, {f"clusters {folder}": clusters}, copies)
    tile, width, at_once = sides.plan.tile, k + SPARE, crew is None and room.folder is None
    crew = here(do_item, sides) if crew is None else crew
    # What one process merges in memory it can as well search at once.
    most = None if at_once else block_rows(width, memory_bytes, tile)
    blocks = cut(len(x), len(y), tile, most, wanted)
    of_x, of_y = (Merged(len(side), width, room, f"keys-{name}") for side, name in ((x, "a"), (y, "b")))
    found = crew.map((ClusterBlock(block, folder) for block in blocks), advance or _uncounted)
    for block, best in zip(blocks, found, strict=True):
        of_x.take(block.a, best.a)
        of_y.take(block.b, best.b)
    step, lists = rescoring_rows(width, x.shape[1], memory_bytes), []
    for merged, of_a, side in ((of_x, True, x), (of_y, False, y)):
        name = "a" if of_a else "b"
        similarity = room.array(f"similarity-{name}", np.float32, (len(side), k))
        row = room.array(f"row-{name}", np.int64, (len(side), k))
        spans = row_ranges(len(side), step, wanted, max(step, block_rows(width, memory_bytes, 1)))
        items = (Rescoring(of_a, span, merged.rows(*span)) for span in spans)
        for (start, stop), best_k in zip(spans, crew.map(items, _uncounted), strict=True):
            similarity[start:stop], row[start:stop] = best_k
        merged.drop()
        lists += [similarity, row]
    return Neighbors(*lists)


def _uncounted(_: int) -> None:
    pass


def _standing(clusters: Clustering, cluster: int, span: Span) -> Rows:
    """The rows of side b in a cluster that are in a range."""
    rows = clusters.members[clusters.ends[cluster] : clusters.ends[cluster + 1]]
    first, last = np.searchsorted(rows, span)
    return np.asarray(rows[first:last])


def _cut(lines: Rows, step: int) -> Iterator[Rows]:
    return (lines[start : start + step] for start in range(0, len(lines), step))


def _asking(clusters: Clustering, start: int, stop: int, step: int, first_look: bool) -> list[Rows]:
    """Some of side a's rows by the clusters that they look into, ascending: as their nearest, or as one of the others."""
    count = clusters.centroids.shape[1]
    parts: list[list[Rows]] = [[] for _ in range(count)]
    for offset, scores in _centroid_scores(clusters.a[start:stop], clusters.centroids, step):
        best, nearest = scores.max(dim=1)
        mask = scores >= (best - clusters.gap).unsqueeze(1)
        if first_look:
            mask.zero_()
        mask.scatter_(1, nearest.unsqueeze(1), first_look)
        cluster, row = mask.t().contiguous().nonzero(as_tuple=True)
        ends = torch.searchsorted(cluster, torch.arange(count + 1, device=cluster.device)).tolist()
        rows = (row + start + offset).cpu().numpy()
        for place in range(count):
            if ends[place] < ends[place + 1]:
                parts[place].append(rows[ends[place] : ends[place + 1]])
    return [np.concatenate(part) if part else np.empty(0, np.int64) for part in parts]
