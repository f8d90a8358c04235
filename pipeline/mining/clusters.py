"""Approximate neighbours of both directions from one pass over clusters.

Both sides share k-means centroids. A row of side b stands in the cluster of its nearest centroid, a row of side a
looks into the clusters of its nearest few; each cluster is one small product, used by its rows and by its columns as
the tiles of the exact search are (`pipeline.mining.neighbors`). Against an inverted file this reads each cluster once
for all who ask, at the speed of a matrix product, and one pass serves both directions.

How many clusters a row looks into follows from a sample that is searched exactly: a neighbour is found if and only if
its cluster is among those that the row looks into, so the recall of every choice is known before anything is searched.
"""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.mining.best import Best
from pipeline.mining.neighbors import Neighbors, Plan, Tiler, one_way, pick_device
from pipeline.mining.retrieval import Rows
from pipeline.mining.vectors import VectorSource, check_pair, gathered, normalised
from pipeline.progress import Advance

POINTS = 40
"""Vectors that a centroid is trained on."""


@dataclass(frozen=True)
class Clustering:
    """Shared clusters of two sides.

    Attributes:
        centroids: [c, d] of length 1.
        looked_into: side a's nearest centroids, nearest first [n, probes].
        home: side b's nearest centroid [m].
        recall: the share of the true neighbours, both directions, that can be found; measured on the sample.
    """

    centroids: torch.Tensor
    looked_into: NDArray[np.int32]
    home: NDArray[np.int32]
    recall: float

    @property
    def probes(self) -> int:
        """Clusters that a row of side a looks into."""
        return int(self.looked_into.shape[1])


def cluster_count(rows: int) -> int:
    """Clusters for the smaller side's rows: about 1.5·√rows, a power of two.

    >>> cluster_count(100_000), cluster_count(5_000_000)
    (512, 4096)
    """
    return int(2 ** max(0, round(np.log2(1.5 * max(rows, 1) ** 0.5))))


def make_clusters(
    x: VectorSource,
    y: VectorSource,
    k: int,
    recall: float,
    sample: int,
    memory_bytes: int,
    seed: int = 0,
    device: str | None = None,
) -> Clustering:
    """Train centroids on a sample of both sides, and choose how many clusters a row looks into.

    Holds the training sample, and 4 bytes for each cluster that a row looks into.

    Args:
        x: side a's vectors [n, d], n at least 1.
        y: side b's vectors [m, d], m at least 1.
        k: neighbours of a row.
        recall: the share of the true neighbours that has to be found.
        sample: rows of each side that are searched exactly.
        memory_bytes: for one tile of similarities.
        seed: of samples and k-means.
        device: as for `mutual_neighbors`.

    Raises:
        VectorError: if the sides can't be compared, or a vector is zero or not finite.
    """
    check_pair(x, y)
    where, plan = pick_device(device), Plan.of(x.shape[1], memory_bytes, pick_device(device))
    generator = np.random.default_rng(seed)
    centroids = _train(x, y, cluster_count(min(len(x), len(y))), generator, seed).to(where)
    home = _nearest(y, centroids, 1, plan, "side b")[:, 0]
    ranks = []
    for one, other, of_a in ((x, y, True), (y, x, False)):
        rows = np.sort(generator.choice(len(one), min(sample, len(one)), replace=False))
        found = one_way(one, rows, other, k, memory_bytes, device)[1]
        line, column = np.nonzero(found >= 0)
        near = found[line, column]
        a, b = (rows[line], near) if of_a else (near, rows[line])
        ranks.append(_rank(x, a, home[b], centroids, plan.tile))
    needed = np.sort(np.concatenate(ranks))
    probes = int(needed[min(len(needed) - 1, int(np.ceil(recall * len(needed))) - 1)]) + 1
    return Clustering(centroids, _nearest(x, centroids, probes, plan, "side a"), home, float((needed < probes).mean()))


def _train(x: VectorSource, y: VectorSource, count: int, generator: np.random.Generator, seed: int) -> torch.Tensor:
    cpu, parts = torch.device("cpu"), []
    for side, name in ((x, "side a"), (y, "side b")):
        rows = np.sort(generator.choice(len(side), min(len(side), count * POINTS // 2 + 1), replace=False))
        parts.append(gathered(side, rows, name, cpu).numpy())
    trained = faiss.Kmeans(
        x.shape[1], count, niter=8, seed=seed, spherical=True, min_points_per_centroid=1, max_points_per_centroid=POINTS
    )
    trained.train(np.concatenate(parts))
    return torch.from_numpy(trained.centroids)


def _nearest(vectors: VectorSource, centroids: torch.Tensor, count: int, plan: Plan, side: str) -> NDArray[np.int32]:
    """The nearest centroids of every row, nearest first [n, count]."""
    near = np.empty((len(vectors), count), np.int32)
    for start in range(0, len(vectors), plan.tile):
        stop = min(start + plan.tile, len(vectors))
        scores = normalised(vectors, start, stop, side, centroids.device) @ centroids.t()
        best = scores.argmax(dim=1, keepdim=True) if count == 1 else scores.topk(count, dim=1).indices
        near[start:stop] = best.cpu().numpy()
    return near


def _rank(
    x: VectorSource, rows: Rows, home: NDArray[np.int32], centroids: torch.Tensor, step: int
) -> NDArray[np.int64]:
    """How many centroids are nearer to each row of side a than the one given."""
    ranks = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        scores = gathered(x, rows[part], "side a", centroids.device) @ centroids.t()
        own = scores.gather(1, torch.from_numpy(home[part].astype(np.int64)).to(scores.device).unsqueeze(1))
        ranks[part] = (scores > own).sum(dim=1).cpu().numpy()
    return ranks


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

    Every similarity is exact; what may be missing are neighbours whose cluster was not looked into. Of exactly equal
    similarities at the k-th place, the one met first stays. Holds one tile, the result, and side a's vectors as float32
    where they fit into half of ``memory_bytes`` (else they are read again for each cluster).

    Args:
        x: [n, d].
        y: [m, d].
        k: neighbours of a row.
        clusters: of these two sides.
        memory_bytes: for what is held besides the result.
        device: as for `mutual_neighbors`.
        advance: called with rows of x done; they add up to n.

    Raises:
        VectorError: as `make_clusters` does.
    """
    check_pair(x, y)
    where = pick_device(device)
    plan = Plan.of(x.shape[1], memory_bytes, where)
    tiler = Tiler(plan, where)
    forward, backward = Best(len(x), k, where), Best(len(y), k, where)
    held = normalised(x, 0, len(x), "side a", where) if 8 * len(x) * x.shape[1] <= memory_bytes else None
    order_a, ends_a = _members(clusters.looked_into.reshape(-1), len(clusters.centroids))
    order_b, ends_b = _members(clusters.home, len(clusters.centroids))
    reported = 0
    for cluster in range(len(clusters.centroids)):
        lines_a = order_a[ends_a[cluster] : ends_a[cluster + 1]] // clusters.probes
        lines_b = order_b[ends_b[cluster] : ends_b[cluster + 1]]
        for b in (lines_b[start : start + plan.tile] for start in range(0, len(lines_b), plan.tile)):
            columns = gathered(y, b, "side b", where).t().contiguous()
            for a in (lines_a[start : start + plan.tile] for start in range(0, len(lines_a), plan.tile)):
                index_a, index_b = torch.from_numpy(a).to(where), torch.from_numpy(b).to(where)
                tiler.product(gathered(x, a, "side a", where) if held is None else held[index_a], columns)
                tiler.update_picked(forward, backward, index_a, index_b)
        if advance is not None:
            done = len(x) * (cluster + 1) // len(clusters.centroids)
            advance(done - reported)
            reported = done
    return Neighbors(*forward.result(), *backward.result())


def _members(home: NDArray[np.int32], count: int) -> tuple[Rows, Rows]:
    """Positions by cluster, ascending in each, and where each cluster's begin [count + 1]."""
    order = np.argsort(home, kind="stable")
    return order, np.searchsorted(home[order], np.arange(count + 1))
