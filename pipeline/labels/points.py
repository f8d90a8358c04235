"""Label points: the distinct sentences, or pairs of them, that the teacher's labels are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.folders import VectorFolder
from pipeline.artifacts.pairs import PairFolder
from pipeline.ground.hashing import Keys

Strategy = Literal["priority", "average"]


@dataclass(frozen=True)
class LabelPoints:
    """The label points of one language pair; vectors are read when asked for.

    Attributes:
        strategy: priority or average.
        keys: the points' keys, sorted [p].
        of_pair: the point of each pair [n].
        first_pair: a pair of each point [p] (its first).
    """

    strategy: Strategy
    keys: Keys
    of_pair: NDArray[np.int64]
    first_pair: NDArray[np.int64]
    teacher_a: VectorFolder
    teacher_b: VectorFolder | None
    rows_a: NDArray[np.int64]
    rows_b: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def dimension(self) -> int:
        """Of the label vectors."""
        return self.teacher_a.dimension + (self.teacher_b.dimension if self.teacher_b else 0)

    def vectors(self, points: NDArray[np.int64]) -> NDArray[np.float32]:
        """Label vectors [m, e] of some points [m], L2-normalised."""
        return self.teacher_and_labels(points)[1]

    def teacher_and_labels(self, points: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Of some points [m], the teacher's vectors of the first side [m, d] and the label vectors [m, e], in one read.

        Both are L2-normalised. With the strategy priority they are the same array.
        """
        pairs = self.first_pair[points]
        vectors = self.teacher_a.unit(self.rows_a[pairs])
        if self.teacher_b is None:
            return vectors, vectors
        other = self.teacher_b.unit(self.rows_b[pairs])
        joined = np.concatenate([vectors, other], axis=1)
        joined *= np.float32(0.5**0.5)
        return vectors, joined


def label_points(
    pairs: PairFolder, strategy: Strategy, teacher_a: VectorFolder, teacher_b: VectorFolder | None
) -> LabelPoints:
    """The label points of a language pair.

    Holds 40 bytes a pair in memory.

    Args:
        pairs: the pairs.
        strategy: priority or average.
        teacher_a: the teacher's vectors of the pair's first language.
        teacher_b: the teacher's vectors of the second, for average.
    """
    keys, first, of_pair = np.unique(
        pairs.a if strategy == "priority" else pairs.keys, return_index=True, return_inverse=True
    )
    rows_b = np.empty(0, dtype=np.int64)
    if strategy == "average":
        if teacher_b is None:
            raise ValueError("the strategy average needs the teacher's vectors of both languages")
        rows_b = teacher_b.rows_of(pairs.b)
    return LabelPoints(
        strategy=strategy,
        keys=keys,
        of_pair=of_pair.astype(np.int64),
        first_pair=first.astype(np.int64),
        teacher_a=teacher_a,
        teacher_b=teacher_b if strategy == "average" else None,
        rows_a=teacher_a.rows_of(pairs.a),
        rows_b=rows_b,
    )
