"""LASER's xsim: retrieval by ratio margin instead of cosine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.ground.arrays import Rows
from pipeline.mining.retrieval import candidates
from pipeline.search.neighbors import mutual_neighbors

XSIM_K = 4
MEMORY_BYTES = 64 << 20


def nearest_by_margin(x: NDArray[np.float32], y: NDArray[np.float32], k: int = XSIM_K) -> tuple[Rows, Rows]:
    """The row with the best ratio margin among the k nearest of the other side, for both directions; -1 where none is.

    LASER's xsim (its ``source/xsim.py``): cos(x, y) over the mean of both sentences' mean cosine with their k nearest
    neighbours (Artetxe & Schwenk 2019, eq. 4); the share of sentences whose best is not the translation is the xsim error.
    Unlike LASER, a ratio with a denominator of zero or less proposes nothing. A sentence without a vector finds nothing
    and is found by none. Memory as in `mutual_neighbors`, within 64 MiB.

    Args:
        x: L2-normalised or zero vectors [n, d].
        y: the translations' vectors, row by row [n, d].
        k: how many neighbours are looked at.
    """
    rows_x, rows_y = (np.flatnonzero(side.any(axis=1)) for side in (x, y))
    forward, backward = (np.full(len(side), -1, dtype=np.int64) for side in (x, y))
    if len(rows_x) and len(rows_y):
        neighbors = mutual_neighbors(x[rows_x], y[rows_y], k, MEMORY_BYTES)
        best = candidates(neighbors, "ratio", "forward")
        forward[rows_x[best.row_a]] = rows_y[best.row_b]
        best = candidates(neighbors.swapped(), "ratio", "forward")
        backward[rows_y[best.row_a]] = rows_x[best.row_b]
    return forward, backward
