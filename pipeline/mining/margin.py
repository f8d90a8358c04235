"""Scores of a candidate pair: cosine, and the margins of Artetxe & Schwenk (2019, arXiv 1811.01136, eq. 2-4).

A cosine says little by itself: some sentences are near to everything. A margin compares it with how near both
sentences' k nearest neighbours are on average: ``ratio`` divides by that average, ``distance`` subtracts it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.ground.arrays import CHUNK, Floats

Score = Literal["ratio", "distance", "cosine"]


def neighborhood_means(similarity: NDArray[np.float32], out: Floats | None = None) -> Floats:
    """The mean similarity [n] of each row's neighbours [n, k], over those that exist (-inf: none); NaN without any.

    ``out`` [n], where given, is filled and returned.

    >>> neighborhood_means(np.array([[0.75, 0.25], [0.5, -np.inf]], dtype=np.float32)).tolist()
    [0.5, 0.5]
    """
    means = np.empty(len(similarity)) if out is None else out
    for start in range(0, len(similarity), CHUNK):
        part = similarity[start : start + CHUNK].astype(np.float64)
        there = part > -np.inf
        with np.errstate(invalid="ignore"):
            means[start : start + CHUNK] = np.where(there, part, 0.0).sum(axis=1) / there.sum(axis=1)
    return means


def margin(cosine: NDArray[np.floating], mean_a: Floats, mean_b: Floats, score: Score) -> Floats:
    """The score of pairs, computed in float64; arguments broadcast.

    A ratio is defined only where the mean of both neighbourhoods is above zero (the quotient of two negatives would
    rank the worst pairs first); elsewhere it is -inf, which no retrieval proposes.

    Args:
        cosine: each pair's cosine; -inf for no pair.
        mean_a: the mean cosine of side a's sentence with its neighbours.
        mean_b: such a mean of side b's sentence.
        score: which one.

    >>> margin(np.array([0.9]), np.array([0.5]), np.array([0.7]), "ratio").round(6).tolist()
    [1.5]
    """
    wide = np.asarray(cosine, dtype=np.float64)
    if score == "cosine":
        return wide + np.zeros_like(mean_a + mean_b)
    middle = (mean_a + mean_b) / 2
    if score == "distance":
        return wide - middle
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(middle > 0, wide / middle, -np.inf)
