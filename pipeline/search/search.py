"""The nearest neighbours of two sides, or of one set in itself, by the backend that a job names or that ``auto`` chooses.

``auto``, by the number of pairs of vectors that there are (n·m; n² of one set), as measured in docs/mining.md:

| pairs | search | why |
|---|---|---|
| up to `FLAT_PAIRS` (10,000 × 10,000) | ``faiss``, ``Flat`` | seconds by any exact search |
| up to `EXACT_PAIRS`, with fast bytes `FAST_EXACT_PAIRS` | ``exact`` | one product for both directions |
| more | ``faiss``, an index | exact search grows with n·m, an index with about n·√m |

A job that names an index is FAISS' whatever the size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipeline.config.search import BACKENDS as FOLDER
from pipeline.config.search import ENTRY_POINTS
from pipeline.ground.registry import Registry
from pipeline.search.backend import SearchBackend
from pipeline.search.bounded import bounds_pay
from pipeline.search.job import SearchJob
from pipeline.search.neighbors import Search, SelfSearch
from pipeline.search.tiles import pick_device
from pipeline.search.vectors import VectorSource, check_matrix, check_pair
from pipeline.search.workers import worth_workers

BACKENDS = Registry(
    "search backend",
    FOLDER,
    SearchBackend,  # type: ignore[type-abstract]  # what is found derives from it
    ENTRY_POINTS,
)

FLAT_PAIRS = 10_000 * 10_000
EXACT_PAIRS = 100_000 * 100_000
FAST_EXACT_PAIRS = 500_000 * 500_000
"""The most pairs of vectors that ``auto`` searches by FAISS' ``Flat``, and by our kernel without and with fast bytes."""


def search(x: VectorSource, y: VectorSource, job: SearchJob) -> Search:
    """The k nearest neighbours of every row of x in y and of every row of y in x, by cosine.

    Args:
        x: side a's vectors [n, d], float16 or float32, possibly memory-mapped.
        y: side b's vectors [m, d].
        job: k, the backend, and what the search may use. What fits into one tile is not worth its workers.

    Raises:
        RegistryError: if there is no such backend.
        VectorError: if the sides can't be compared, or a vector is zero or not finite.
        ParamsError: if FAISS can't make the index asked for.
        OSError: if the neighbours don't fit on the disk.
    """
    check_pair(x, y)
    job = worth_workers(chosen(job, (len(x), len(y)), x.shape[1]), x, y)
    found = BACKENDS.find(job.backend)().neighbors(x, y, job)
    return replace(found, about=found.about | _package(job.backend))


def search_itself(x: VectorSource, job: SearchJob) -> SelfSearch:
    """The k nearest other rows of every row of x [n, d], by cosine; arguments and errors as of `search`."""
    check_matrix(x, "the vectors")
    job = chosen(job, (len(x), len(x)), x.shape[1])
    found = BACKENDS.find(job.backend)().self_neighbors(x, job)
    return replace(found, about=found.about | _package(job.backend))


def _package(backend: str) -> dict[str, Any]:
    """For metadata: the installed package that brought a backend, if one did."""
    origin = BACKENDS.origin(backend)
    return {} if origin is None else {"package": str(origin), "code": origin.source}


def chosen(job: SearchJob, rows: tuple[int, int], dimension: int) -> SearchJob:
    """The job with its backend and index, ``auto`` replaced by what this module's table says.

    Args:
        job: the search.
        rows: the rows of both sides.
        dimension: the vectors' dimension.
    """
    if job.backend != "auto":
        return job
    if job.index is not None:
        return replace(job, backend="faiss")
    pairs = rows[0] * rows[1]
    if pairs <= FLAT_PAIRS:
        return replace(job, backend="faiss", index="Flat")
    most = FAST_EXACT_PAIRS if bounds_pay(pick_device(job.device), dimension, job.k) else EXACT_PAIRS
    return replace(job, backend="exact") if pairs <= most else replace(job, backend="faiss", index="auto")
