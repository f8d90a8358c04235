"""Margins of pairs that one already has: a bitext, line by line.

Filtering a corpus by margin needs each pair's own cosine, whether or not its sentences are among each other's neighbours.
"""

from __future__ import annotations

import numpy as np
import torch

from pipeline.ground.arrays import CHUNK, Rows
from pipeline.mining.margin import Score, margin, neighborhood_means
from pipeline.mining.retrieval import Candidates, ranks
from pipeline.search.neighbors import Neighbors
from pipeline.search.vectors import VectorSource, check_pair, gathered

CPU = torch.device("cpu")


def score_aligned(
    x: VectorSource, y: VectorSource, row_a: Rows, row_b: Rows, neighbors: Neighbors, score: Score
) -> Candidates:
    """The scores and ranks of given pairs, in their order; sentences may stand in several pairs.

    A ratio whose neighbourhoods have no positive mean is -inf, and so is any margin of a side without neighbours. Holds
    65,536 pairs' vectors in memory.

    Args:
        x: side a's vectors [n, d], each different sentence once: copies would fill neighbourhoods.
        y: side b's vectors [m, d].
        row_a: the pairs' rows of side a [p].
        row_b: the pairs' rows of side b [p].
        neighbors: the neighbours of both sides.
        score: the score's name.

    Raises:
        VectorError: if the sides can't be compared, or a vector is zero or not finite.
    """
    check_pair(x, y)
    cosine = np.empty(len(row_a), np.float32)
    for start in range(0, len(row_a), CHUNK):
        part = slice(start, start + CHUNK)
        one, other = gathered(x, row_a[part], "side a", CPU), gathered(y, row_b[part], "side b", CPU)
        cosine[part] = (one * other).sum(dim=1).numpy()
    mean_a = neighborhood_means(neighbors.forward_similarity)[row_a]
    mean_b = neighborhood_means(neighbors.backward_similarity)[row_b]
    value = np.nan_to_num(margin(cosine, mean_a, mean_b, score), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    rank_ab = ranks(neighbors.forward_row, row_a, row_b)
    rank_ba = ranks(neighbors.backward_row, row_b, row_a)
    return Candidates(row_a, row_b, value, cosine, mean_a, mean_b, rank_ab, rank_ba)
