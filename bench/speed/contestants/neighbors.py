"""Nearest neighbours of label vectors: ours, FAISS' exact search, autofaiss' index."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from speed.worker import Clock, Work


def _vectors(options: dict[str, Any]) -> Any:
    return np.load(Path(options["folder"]) / "vectors.npy", mmap_mode="r")[: options["points"]]


def softalign_exact(options: dict[str, Any]) -> Work:
    """Ours, exact, all points against themselves: half a product."""
    import torch

    from pipeline.config.labels import Neighborhoods
    from pipeline.labels.neighborhoods import find_neighborhoods

    torch.set_num_threads(options["threads"])
    vectors, config = _vectors(options), Neighborhoods(k=options["k"], search="exact")

    def work(clock: Clock) -> Any:
        found = find_neighborhoods(vectors, config, Path(options["folder"])).neighbors
        return {"similarity": found.similarity, "row": found.row}

    return work


def softalign_slice(options: dict[str, Any]) -> Work:
    """Ours, exact, some points against all (a whole product, without the half that all against all saves)."""
    import torch

    from pipeline.search.job import SearchJob
    from pipeline.search.samples import sampling

    torch.set_num_threads(options["threads"])
    vectors, rows = _vectors(options), np.arange(options["queries"])

    def work(clock: Clock) -> Any:
        with sampling(vectors, vectors, SearchJob(options["k"] + 1, device="cpu")) as sampler:
            similarity, row = sampler(True, rows)
        return without_own(similarity, row, rows)

    return work


def softalign_index(options: dict[str, Any]) -> Work:
    """Ours through an index: building, tuning to the recall asked for, and all searches."""
    import faiss
    import torch

    from pipeline.config.labels import Neighborhoods
    from pipeline.labels.neighborhoods import find_neighborhoods

    torch.set_num_threads(options["threads"])
    faiss.omp_set_num_threads(options["threads"])
    vectors = _vectors(options)
    config = Neighborhoods(k=options["k"], search="faiss", recall=options["recall"])

    def work(clock: Clock) -> Any:
        with tempfile.TemporaryDirectory(dir=options["folder"]) as scratch:
            found = find_neighborhoods(vectors, config, Path(scratch)).neighbors
        rows = np.arange(options["queries"])
        return {"similarity": found.similarity[rows], "row": found.row[rows]}

    return work


def faiss_knn(options: dict[str, Any]) -> Work:
    """``faiss.knn`` by inner product: exact, float32; normalised vectors as input, made before the clock starts."""
    import faiss

    faiss.omp_set_num_threads(options["threads"])
    wide = _unit(options)
    queries = options.get("queries") or len(wide)

    def work(clock: Clock) -> Any:
        similarity, row = faiss.knn(wide[:queries], wide, options["k"] + 1, metric=faiss.METRIC_INNER_PRODUCT)
        with clock.paused():
            return without_own(similarity, row, np.arange(queries))

    return work


def autofaiss(options: dict[str, Any]) -> Work:
    """The index that autofaiss chooses at its defaults: built and tuned by it, and all searches."""
    import faiss
    from autofaiss import build_index

    faiss.omp_set_num_threads(options["threads"])
    wide = _unit(options)

    def work(clock: Clock) -> Any:
        index, _ = build_index(wide, save_on_disk=False, metric_type="ip", nb_cores=options["threads"], verbose=40)
        similarity, row = index.search(wide, options["k"] + 1)
        rows = np.arange(options["queries"])
        return without_own(similarity[rows], row[rows], rows)

    return work


def _unit(options: dict[str, Any]) -> Any:
    wide = np.asarray(_vectors(options), dtype=np.float32)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


def without_own(similarity: Any, row: Any, own: Any) -> dict[str, Any]:
    """All but the row's own, or but the last where it was not found: [n, k] of [n, k + 1]."""
    left_out = row == own[:, None]
    left_out[:, -1] |= ~left_out.any(axis=1)
    shape = (len(row), row.shape[1] - 1)
    return {"similarity": similarity[~left_out].reshape(shape), "row": row[~left_out].reshape(shape)}
