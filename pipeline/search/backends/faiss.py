"""FAISS: all vectors (``Flat``), or an index by any factory string, chosen by size where none is given.

Each direction is a search of its own. Flat search builds nothing and is exact. An index is trained on a sample, filled
(by the job's workers, where its parts can be put together), saved under a name that its vectors, form and seed give it,
and used again; so many of its lists are visited that the share of the neighbours asked for is found
(`pipeline.search.tuning`).

The default index is FAISS' answer to large batches of queries on CPUs: codes of four bits for every two numbers, which
are looked up in registers (fast scan), within lists around centroids, the best few scored again with the vectors
(docs/mining.md has what that was measured against).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.search.backend import SearchBackend
from pipeline.search.blocks import row_ranges
from pipeline.search.copies import OwnRows
from pipeline.search.faiss_index import MANY, IndexForm, choose_factory, ensure_index, proposed
from pipeline.search.filling import Fillers
from pipeline.search.job import SearchJob
from pipeline.search.look_up import QUERY_ROWS, KeptForm, LookUp
from pipeline.search.neighbors import Found, Neighbors, Search, SelfNeighbors, SelfSearch, Tuned
from pipeline.search.samples import Sampler
from pipeline.search.tuning import tune_effort
from pipeline.search.vectors import VectorSource
from pipeline.search.workers import Sides, ranges_wanted, searching

log = logging.getLogger(__name__)

LOOKED_UP = 16 * QUERY_ROWS
"""Rows of an item of work, at most."""


class Faiss(SearchBackend):
    """FAISS, by ``index``: a factory string, ``Flat`` included; ``auto`` chooses by size."""

    name = "faiss"

    def neighbors(self, x: VectorSource, y: VectorSource, job: SearchJob) -> Search:
        """See `SearchBackend.neighbors`.

        Holds 12·k bytes a row of both sides where the scratch arrays are in memory; each worker a block of vectors
        (``memory_bytes``), or what is opened of an index, and the candidates of `QUERY_ROWS` rows.
        """
        with _looking_up(x, y, job) as look_up:
            one, other = look_up(True), look_up(False)
        tuned = tuple(found.tuned for found in (one, other) if found.tuned is not None)
        about = {"search": self.name, "exact": not tuned, "of_b": one.about, "of_a": other.about}
        return Search(Neighbors(*one.found, *other.found), about, tuned)

    def self_neighbors(self, x: VectorSource, job: SearchJob) -> SelfSearch:
        """See `SearchBackend.self_neighbors`: one direction is all."""
        with _looking_up(x, x, replace(job, copies=OwnRows()), both=False) as look_up:
            one = look_up(True)
        about = {"search": self.name, "exact": one.tuned is None, "index": one.about}
        return SelfSearch(SelfNeighbors(*one.found), about, 1.0 if one.tuned is None else one.tuned.recall)


@dataclass(frozen=True)
class _Direction:
    """What one direction gave.

    Attributes:
        found: the neighbours.
        about: the index, for metadata.
        tuned: what the index was set to; None if all vectors were searched.
    """

    found: Found
    about: dict[str, Any]
    tuned: Tuned | None


@contextmanager
def _looking_up(
    x: VectorSource, y: VectorSource, job: SearchJob, both: bool = True
) -> Iterator[Callable[[bool], _Direction]]:
    """The search of the rows of side a in side b, or of side b in side a, one after the other.

    Args:
        x: side a's vectors.
        y: side b's vectors.
        job: the search.
        both: whether both directions will be asked for, each of which is a share of the progress.
    """
    sides, wanted = Sides(x, y, job.plain()), ranges_wanted(job)
    counted = _Share(job.done, len(x), len(x) + len(y) * both)
    with _index_folder(job) as root, searching(x, y, job, wanted) as workers:

        def look_up(of_a: bool) -> _Direction:
            queries, others, copies = sides.turned(of_a)
            exact, kept, tuned = Sampler(sides, workers, wanted), None, None
            about: dict[str, Any] = {"factory": "Flat"}
            for form in _forms(others, job):
                fillers = None if job.workers is None else Fillers(workers, not of_a, wanted)
                index = ensure_index(root, others, form, fillers)
                tuned = tune_effort(index, queries, job, copies, lambda rows: exact(of_a, rows))
                about = {**index.about, "effort": tuned.effort, "candidates": proposed(job.k) + index.more}
                about["sample_recall"] = round(tuned.recall, 6)
                kept = KeptForm.of(index)
                if tuned.recall >= job.recall:
                    break
            else:
                if tuned is not None:
                    _say_missed(about["factory"], tuned, job)
            name = "a" if of_a else "b"
            similarity = job.scratch.array(f"similarity-{name}", np.float32, (len(queries), job.k))
            row = job.scratch.array(f"row-{name}", np.int64, (len(queries), job.k))
            spans = row_ranges(len(queries), QUERY_ROWS, wanted, LOOKED_UP)
            items = [LookUp(of_a, span, kept) for span in spans]
            for (start, stop), found in zip(spans, workers.map(items, counted), strict=True):
                similarity[start:stop], row[start:stop] = found
            return _Direction((similarity, row), about, tuned)

        yield look_up


def _forms(vectors: VectorSource, job: SearchJob) -> list[IndexForm]:
    """The index of a side that a job asks for; if chosen by size, also the one with the finest codes; none for ``Flat``."""
    asked = job.index or "auto"
    names = [asked]
    if asked == "auto":
        size = len(vectors), vectors.shape[1], job.index_bytes
        names = list(dict.fromkeys(choose_factory(*size, k) for k in (job.k, MANY + 1)))
    return [IndexForm(name, job.index_bytes, job.seed) for name in names if name != "Flat" and len(vectors)]


def _say_missed(factory: str, tuned: Tuned, job: SearchJob) -> None:
    log.warning(
        "the index %s finds %.1f %% of a sample's neighbours, expected %.1f %% (recall); the index Flat, or search exact, "
        "finds all",
        factory, 100 * tuned.recall, 100 * job.recall,
    )  # fmt: skip


@contextmanager
def _index_folder(job: SearchJob) -> Iterator[Path]:
    """Where indexes are kept, or a folder that is deleted with them."""
    if job.indexes is not None:
        yield job.indexes
        return
    with tempfile.TemporaryDirectory(prefix="softalign-index-") as folder:
        yield Path(folder)


class _Share:
    """Counts rows looked up, of ``total`` in all, as rows of side a, of ``rows`` in all."""

    def __init__(self, advance: Callable[[int], None], rows: int, total: int) -> None:
        self.advance, self.rows, self.total, self.looked_up = advance, rows, total, 0

    def __call__(self, more: int) -> None:
        """So many more are done, or, below zero, lost with their worker."""
        before = self.rows * self.looked_up // self.total
        self.looked_up += more
        self.advance(self.rows * self.looked_up // self.total - before)
