"""FAISS: exact nearest neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from speed.contestants import label_vectors, without_own
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
