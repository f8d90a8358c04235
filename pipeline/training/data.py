"""What training reads of a language pair: its pairs, their tokens and label points, and the points' neighbourhoods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.folders import TokenFolder
from pipeline.artifacts.shards import KEY_DTYPE, Shard, fixed_list_view
from pipeline.ground.hashing import Keys, locate
from pipeline.labels.points import LabelPoints


@dataclass(frozen=True)
class StoredNeighborhoods:
    """The neighbourhoods of one language pair, by point number.

    Holds 12 bytes a neighbour in memory.

    Attributes:
        point: number of each neighbour [p, k], -1 where there is none.
        weight: its soft-label weight [p, k].
    """

    point: NDArray[np.int64]
    weight: NDArray[np.float32]

    @classmethod
    def read(cls, shards: Sequence[Shard], points: Keys) -> StoredNeighborhoods:
        """Those that stage neighborhoods wrote, of points with the given keys, sorted [p]."""
        keys = np.concatenate([fixed_list_view(shard.table.column("neighbor"), KEY_DTYPE) for shard in shards])
        weight = np.concatenate(
            [fixed_list_view(shard.table.column("weight"), np.dtype(np.float32)) for shard in shards]
        )
        return cls(locate(points, keys.reshape(-1)).reshape(keys.shape), weight)

    def coverage(self, points: NDArray[np.int64], among: NDArray[np.int64] | None = None) -> tuple[float, float]:
        """How much of the teacher's corpus-wide soft-label weight a batch covers.

        Args:
            points: the points of the batch's pairs [n].
            among: the points that the pairs are compared with [m]; None: those of the batch.

        Returns:
            The weight on neighbours that are among them, and the weight on all neighbours, each summed over the batch's
            distinct points; their ratio is the covered share.
        """
        unique = np.unique(points)
        near = self.point[unique]
        inside = np.isin(near, unique if among is None else among) & (near >= 0)
        weights = self.weight[unique]
        return float(weights[inside].sum()), float(weights.sum())


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
