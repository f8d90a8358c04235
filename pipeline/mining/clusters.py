"""Approximate neighbours of both directions from one pass over clusters, with sketches for the first look.

Both sides share k-means centroids. A row of side b stands in the cluster of its nearest centroid; a row of side a looks into
every cluster whose centroid is nearly as near as its nearest one. Each cluster is one small product of sketches
(`pipeline.mining.sketches`), used by its rows and by its columns as the tiles of the exact search are; the best few
candidates of each row are then scored with the vectors themselves. Against an inverted file this reads each cluster once for
all who ask, at the speed of a matrix product, and one pass serves both directions.

How far a row looks follows from a sample that is searched exactly: a neighbour can be found only if its cluster is looked
into, so the recall of every choice is known before anything is searched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.mapped import mapped_array
from pipeline.mining.best import BLOCK, Best
from pipeline.mining.neighbors import Neighbors, one_way
from pipeline.mining.retrieval import Rows
from pipeline.mining.sketches import (
    LOWEST,
    Bytes,
    Projection,
    SketchTiler,
    byte_products,
    make_projection,
    rescored,
    sketch_all,
)
from pipeline.mining.tiles import Plan, pick_device
from pipeline.mining.vectors import VectorSource, check_pair, gathered
from pipeline.progress import Advance

POINTS = 20
"""Vectors that a centroid is trained on."""

ROUNDS = 6
"""Rounds of k-means."""

SPARE = 2
"""Candidates of a row beyond k: sketches exchange neighbours that are nearly as near."""

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Clustering:
    """Shared clusters of two sides, over their sketches.

    Attributes:
        projection: from vectors to sketches.
        centroids: sketches of the centroids [s, c].
        a: side a's sketches [n, s].
        b: side b's sketches [m, s].
        home: side b's nearest centroid [m].
        gap: a row of side a looks into clusters whose centroid's product is at most so much below its best one's.
        recall: the share of the true neighbours, both directions, that can be found; measured on the sample.
    """

    projection: Projection
    centroids: torch.Tensor
    a: Bytes
    b: Bytes
    home: Ints
    gap: int
    recall: float


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
) -> Clustering:
    """Sketch both sides, train centroids on a sample, and choose how far a row looks.

    Holds the training sample and, without a folder, d bytes a row of both sides.

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
        folder: where sketches lie, memory-mapped, if they are not to be held.

    Raises:
        VectorError: if the sides can't be compared, or a vector is zero or not finite.
    """
    check_pair(x, y)
    where, plan = pick_device(device), Plan.of(x.shape[1], memory_bytes, pick_device(device))
    generator = np.random.default_rng(seed)
    count = cluster_count(min(len(x), len(y)))
    training = _training_sample(x, y, count, generator).to(where)
    projection = make_projection(training, size or x.shape[1], seed)
    centroids = _centroids(training @ projection.matrix, count, seed).to(where)
    a = sketch_all(x, projection, plan, "side a", _room("a", len(x), projection, folder))
    b = sketch_all(y, projection, plan, "side b", _room("b", len(y), projection, folder))
    home = np.empty(len(b), np.int32)
    for start, scores in _centroid_scores(b, centroids, plan.tile):
        home[start : start + len(scores)] = scores.argmax(dim=1).cpu().numpy()
    gaps = []
    for one, other, of_a in ((x, y, True), (y, x, False)):
        rows = np.sort(generator.choice(len(one), min(sample, len(one)), replace=False))
        found = one_way(one, rows, other, k, memory_bytes, device)[1]
        line, column = np.nonzero(found >= 0)
        near = found[line, column]
        in_a, in_b = (rows[line], near) if of_a else (near, rows[line])
        gaps.append(_gaps(a, in_a, home[in_b], centroids, plan.tile))
    needed = np.sort(np.concatenate(gaps))
    gap = int(needed[min(len(needed) - 1, int(np.ceil(recall * len(needed))) - 1)])
    return Clustering(projection, centroids, a, b, home, gap, float((needed <= gap).mean()))


def _training_sample(x: VectorSource, y: VectorSource, count: int, generator: np.random.Generator) -> torch.Tensor:
    cpu, parts = torch.device("cpu"), []
    for side, name in ((x, "side a"), (y, "side b")):
        rows = np.sort(generator.choice(len(side), min(len(side), count * POINTS // 2 + 1), replace=False))
        parts.append(gathered(side, rows, name, cpu))
    return torch.cat(parts)


def _centroids(sample: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Sketches of centroids [s, c], scaled to use a byte's range."""
    trained = faiss.Kmeans(
        sample.shape[1],
        count,
        niter=ROUNDS,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=POINTS + 1,
    )
    trained.train(sample.cpu().numpy())
    centroids = torch.from_numpy(trained.centroids)
    scale = 127 / torch.quantile(centroids.abs().flatten()[: 1 << 20], 0.9999)
    return (centroids * scale).round_().clamp_(-127, 127).to(torch.int8).t().contiguous()


def _room(name: str, rows: int, projection: Projection, folder: Path | None) -> Bytes:
    shape = (rows, projection.matrix.shape[1])
    if folder is None:
        return np.empty(shape, np.int8)
    return mapped_array(folder / f"{name}.sketches", np.int8, shape)


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


def clustered_neighbors(
    x: VectorSource,
    y: VectorSource,
    k: int,
    clusters: Clustering,
    memory_bytes: int,
    device: str | None = None,
    advance: Advance | None = None,
) -> Neighbors:
    """The k nearest neighbours of both directions among the rows that meet in a cluster.

    Every similarity is exact; what may be missing are neighbours whose cluster was not looked into, or, rarely, whose sketch
    was not among the row's best k + `SPARE`. Holds, besides about
    ``memory_bytes``, the result and 8·(k + SPARE) + 12 bytes a row.

    Args:
        x: [n, d].
        y: [m, d].
        k: neighbours of a row.
        clusters: of these two sides.
        memory_bytes: for what is held besides.
        device: as for `mutual_neighbors`.
        advance: called with rows of x done; they add up to n.

    Raises:
        VectorError: as `make_clusters` does.
    """
    check_pair(x, y)
    where = pick_device(device)
    plan = Plan.of(x.shape[1], memory_bytes, where)
    tiler = SketchTiler(plan, where)
    forward, backward = (Best(rows, k + SPARE, where, LOWEST) for rows in (len(x), len(y)))
    count = clusters.centroids.shape[1]
    order_b, ends_b = _members(clusters.home, count)
    slab = max(
        plan.tile, memory_bytes // (16 * count)
    )  # what looks into every cluster still fits into half of the memory
    for start in range(0, len(x), slab):
        stop = min(start + slab, len(x))
        for first_look in (True, False):  # the nearest cluster first: little surpasses what it gives
            asking = _asking(clusters, start, stop, plan.tile, first_look)
            for cluster in range(count):
                lines_b, lines_a = order_b[ends_b[cluster] : ends_b[cluster + 1]], asking[cluster]
                for b in _cut(lines_b, plan.tile):
                    columns = torch.from_numpy(clusters.b[b]).to(where).t().contiguous()
                    index_b = torch.from_numpy(b).to(where)
                    for a in _cut(lines_a, plan.tile * plan.tile // (-(-len(b) // BLOCK) * BLOCK) // BLOCK * BLOCK):
                        tiler.product(torch.from_numpy(clusters.a[a]).to(where), columns)
                        tiler.update_picked(forward, backward, torch.from_numpy(a).to(where), index_b)
        if advance is not None:
            advance(stop - start)
    of_x = rescored(x, y, forward.result()[1], k, memory_bytes, where)
    of_y = rescored(y, x, backward.result()[1], k, memory_bytes, where)
    return Neighbors(*of_x, *of_y)


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


def _members(home: Ints, count: int) -> tuple[Rows, Rows]:
    """Positions by cluster, ascending in each, and where each cluster's begin [count + 1]."""
    order = np.argsort(home, kind="stable")
    return order, np.searchsorted(home[order], np.arange(count + 1))
