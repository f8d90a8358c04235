"""Translation retrieval: is the nearest sentence of the other side the translation?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.ground.arrays import Rows

BLOCK_ROWS = 4_096


@dataclass(frozen=True)
class Retrieval:
    """Retrieval over n aligned sentences.

    Attributes:
        forward: whether each sentence of side a finds its translation first [n].
        backward: such results from side b [n].
    """

    forward: NDArray[np.bool_]
    backward: NDArray[np.bool_]

    @property
    def accuracy_forward(self) -> float:
        """Share found from a to b; 0 without sentences."""
        return float(self.forward.mean()) if len(self.forward) else 0.0

    @property
    def accuracy_backward(self) -> float:
        """Share found from b to a; 0 without sentences."""
        return float(self.backward.mean()) if len(self.backward) else 0.0

    @property
    def accuracy(self) -> float:
        """The mean of both directions."""
        return (self.accuracy_forward + self.accuracy_backward) / 2


def retrieve(x: NDArray[np.float32], y: NDArray[np.float32]) -> Retrieval:
    """Nearest-neighbour retrieval between aligned sides, by cosine.

    A sentence counts as found if no other candidate is nearer than its translation; of equally near ones the first
    counts, as in FAISS and MTEB. Holds ``BLOCK_ROWS`` rows of similarities in memory.

    Args:
        x: L2-normalised vectors [n, d].
        y: those of the translations, row by row [n, d].

    >>> eye = np.eye(3, dtype=np.float32)
    >>> retrieve(eye, eye[[0, 2, 1]]).accuracy
    0.3333333333333333
    """
    forward, backward = nearest(x, y)
    rows = np.arange(len(x))
    return Retrieval(forward == rows, backward == rows)


def nearest(x: NDArray[np.float32], y: NDArray[np.float32]) -> tuple[Rows, Rows]:
    """The nearest row of y of each row of x [n], and of x of each row of y [m], by cosine; the first of equals.

    Memory as in `retrieve`.

    Args:
        x: L2-normalised vectors [n, d].
        y: [m, d].
    """
    forward = np.empty(len(x), dtype=np.int64)
    best = np.full(len(y), -np.inf, dtype=np.float32)
    backward = np.zeros(len(y), dtype=np.int64)
    for start in range(0, len(x), BLOCK_ROWS):
        block = x[start : start + BLOCK_ROWS] @ y.T
        forward[start : start + BLOCK_ROWS] = block.argmax(axis=1)
        block_best = block.max(axis=0)
        better = block_best > best
        backward[better] = block.argmax(axis=0)[better] + start
        best[better] = block_best[better]
    return forward, backward
