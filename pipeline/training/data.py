"""What training reads of a language pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.folders import TokenFolder
from pipeline.labels.points import LabelPoints
from pipeline.training.neighbors import StoredNeighborhoods


@dataclass(frozen=True)
class TrainingPairs:
    """What training needs of one language pair; tokens and label vectors stay memory-mapped.

    Attributes:
        name: of the language pair.
        tokens_a: student's tokens of the first language.
        tokens_b: of the second.
        rows_a: each pair's row in ``tokens_a`` [n].
        rows_b: each pair's row in ``tokens_b`` [n].
        points: the label points.
        neighbors: their neighbourhoods.
        weights: how often an epoch draws each pair [n]; None for once each.
    """

    name: str
    tokens_a: TokenFolder
    tokens_b: TokenFolder
    rows_a: NDArray[np.int64]
    rows_b: NDArray[np.int64]
    points: LabelPoints
    neighbors: StoredNeighborhoods
    weights: NDArray[np.float64] | None = None
