"""What cells and clusters share: k-means centroids, and rows sorted by the centroid that they belong to."""

from __future__ import annotations

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.ground.arrays import CHUNK, Rows
from pipeline.search.scratch import Room


def train_centroids(sample: torch.Tensor, count: int, rounds: int, points: int, seed: int) -> torch.Tensor:
    """Centroids of length 1 [count, d] of a sample [m, d], on the CPU.

    Args:
        sample: vectors of length 1.
        count: how many centroids, at most m.
        rounds: of k-means.
        points: sampled vectors of each centroid; of more than one over these, some are left out.
        seed: of the first centroids.
    """
    trained = faiss.Kmeans(
        sample.shape[1],
        count,
        niter=rounds,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=points + 1,
    )
    trained.train(sample.cpu().numpy())
    return torch.from_numpy(trained.centroids)


def rows_by_cluster(home: NDArray[np.int32], count: int, room: Room) -> tuple[Rows, Rows]:
    """Rows by cluster, ascending in each [m], and where each cluster's begin [count + 1]; holds a chunk.

    Args:
        home: the cluster of each row [m].
        count: clusters.
        room: for the rows, by the name of ``members``.
    """
    chunks = range(0, len(home), CHUNK)
    ends = np.zeros(count + 1, np.int64)
    for start in chunks:
        ends[1:] += np.bincount(home[start : start + CHUNK], minlength=count)
    np.cumsum(ends, out=ends)
    members, free = room.array("members", np.int64, (len(home),)), ends[:-1].copy()
    for start in chunks:
        part = np.asarray(home[start : start + CHUNK])
        order = np.argsort(part, kind="stable")
        sizes = np.bincount(part, minlength=count)
        first = np.cumsum(sizes) - sizes  # where each cluster's begin in the chunk's order
        own = part[order]
        members[free[own] + np.arange(len(own)) - first[own]] = order + start
        free += sizes
    return members, ends
