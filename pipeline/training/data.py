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
    """What training needs of one language pair; tokens and label vectors stay memory-mapped."""

    name: str  # the language pair's name (``en-fr``)
    tokens_a: TokenFolder  # the student's tokens of the first language
    tokens_b: TokenFolder  # the student's tokens of the second language
    rows_a: NDArray[np.int64]  # each pair's row in ``tokens_a`` [n]
    rows_b: NDArray[np.int64]  # each pair's row in ``tokens_b`` [n]
    points: LabelPoints  # the label points
    neighbors: StoredNeighborhoods  # the points' neighbourhoods
    weights: NDArray[np.float64] | None = None  # how often an epoch draws each pair [n]; None for once each
