"""FAISS: exact nearest neighbours of one set in itself, and of two sides in each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from speed.contestants import label_vectors, side, without_own
from speed.worker import Clock, Work


def knn(options: dict[str, Any]) -> Work:
    """``faiss.knn`` by inner product: exact, float32; normalised vectors as input, made before the clock starts."""
    import faiss

    wide = np.asarray(label_vectors(options), dtype=np.float32)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    queries = options.get("queries") or len(wide)

    def work(clock: Clock) -> Any:
        similarity, row = faiss.knn(wide[:queries], wide, options["k"] + 1, metric=faiss.METRIC_INNER_PRODUCT)
        with clock.paused():
            return without_own(similarity, row, np.arange(queries))

    return work


def both_directions(options: dict[str, Any]) -> Work:
    """The two searches of LASER and of sentence-transformers' example, alone."""
    import faiss

    def work(clock: Clock) -> Any:
        sides = [np.array(side(options, name)[0]) for name in "ab"]
        for one, other in (sides, sides[::-1]):
            index = faiss.IndexFlatIP(options["dimension"])
            index.add(other)
            index.search(one, options["k"])
        return np.zeros(0)

    return work
