"""Rows of one side looked up by FAISS among all of the other: without an index (Flat), or in one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.compute.work import Count
from pipeline.ground.arrays import Rows
from pipeline.search.blocks import Span
from pipeline.search.copies import CopiedTexts
from pipeline.search.faiss_index import CPU, Index, read_index
from pipeline.search.neighbors import Found, ordered
from pipeline.search.vectors import VectorSource, normalised
from pipeline.search.workers import Sides

QUERY_ROWS = 8_192
"""Rows searched at once."""


class Searcher(Protocol):
    """Finds neighbours of vectors."""

    def search(self, queries: torch.Tensor, k: int) -> Found:
        """The k best for queries [q, d] of length 1."""
        ...


@dataclass(frozen=True)
class FlatSearch:
    """FAISS' exact search (what its index ``Flat`` does), of vectors that are read block by block: nothing is built or kept.

    Attributes:
        vectors: the side that is searched [m, d].
        side: its name in errors.
        memory_bytes: for a block as float32.
    """

    vectors: VectorSource
    side: str
    memory_bytes: int

    def search(self, queries: torch.Tensor, k: int) -> Found:
        """The k best of all vectors, ties to the lower row."""
        similarity, row = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        step = max(1, self.memory_bytes // (16 * self.vectors.shape[1]))
        for start in range(0, len(self.vectors), step):
            block = normalised(self.vectors, start, min(start + step, len(self.vectors)), self.side, CPU).numpy()
            better, place = self._of_block(queries.numpy(), block, k)
            similarity, row = ordered(np.hstack([similarity, better]), np.hstack([row, place + start]), k)
        return ordered(similarity, row, k)

    def _of_block(self, queries: NDArray[np.float32], block: NDArray[np.float32], k: int) -> Found:
        """The k best of a block.

        Of vectors that are as near as the k-th FAISS keeps any. Where one more than k shows that there are such (copies of
        a vector), these rows' similarities are all sorted, lower rows first.
        """
        similarity, place = knn(queries, block, min(k + 1, len(block)))
        if len(block) > k:
            tied = np.flatnonzero(similarity[:, k - 1] == similarity[:, k])
            step = max(1, self.memory_bytes // (16 * len(block)))
            for start in range(0, len(tied), step):
                lines = tied[start : start + step]
                scores = queries[lines] @ block.T
                order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
                similarity[lines, :k], place[lines, :k] = np.take_along_axis(scores, order, axis=1), order
        return similarity[:, :k], place[:, :k]


@lru_cache(maxsize=1)
def gpu_resources() -> Any:
    """What FAISS holds of a GPU, where it was built for one and there is one; else None."""
    if not hasattr(faiss, "StandardGpuResources") or not faiss.get_num_gpus():
        return None
    return faiss.StandardGpuResources()


def knn(queries: Any, vectors: Any, k: int) -> tuple[Any, Any]:
    """FAISS' exact search by inner product, on a GPU where it has one."""
    if (resources := gpu_resources()) is None:
        found = faiss.knn(queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
    else:
        found = faiss.knn_gpu(resources, queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
    return found[0], found[1].astype(np.int64)


def on_gpu(searcher: Any) -> Any:
    """An index on the GPU, where FAISS has one and such indexes for it (lists of vectors, of bytes); else itself."""
    if (resources := gpu_resources()) is None:
        return searcher
    try:
        return faiss.index_cpu_to_gpu(resources, 0, searcher)
    except RuntimeError:  # fast scan, graphs, lists on the disk
        return searcher


def search_rows(
    searcher: Searcher, queries: torch.Tensor, rows: Rows, k: int, copies: CopiedTexts | None = None
) -> Found:
    """The k best for rows [q] of the side that asks, without their copies: as many more are asked for, and left out."""
    if copies is None:
        return searcher.search(queries, k)
    found = np.full((len(rows), k), -np.inf, np.float32), np.full((len(rows), k), -1, np.int64)
    more = copies.counts(rows)
    # In powers of two, so that few searches do.
    more = np.where(more > 0, 2 ** np.ceil(np.log2(np.maximum(more, 1))).astype(np.int64), 0)
    for wider in np.unique(more).tolist():
        these = np.flatnonzero(more == wider)
        step = max(1, QUERY_ROWS * k // (k + wider))
        for start in range(0, len(these), step):
            part = these[start : start + step]
            similarity, row = searcher.search(queries[torch.from_numpy(part)], k + wider)
            same = copies.met(rows[part], row)
            found[0][part], found[1][part] = ordered(np.where(same, -np.inf, similarity), np.where(same, -1, row), k)
    return found


@dataclass(frozen=True)
class KeptForm:
    """An index that a worker opens.

    Attributes:
        folder: the folder in which it is kept.
        about: what it says of itself.
        effort: the index' effort, as in `Index`.
        more: its candidates beyond `proposed`'s, as in `Index`.
    """

    folder: Path
    about: dict[str, Any]
    effort: int
    more: int

    @classmethod
    def of(cls, index: Index) -> KeptForm:
        """An index as it is now."""
        return cls(index.folder.absolute(), index.about, index.effort, index.more)

    def opened(self, sides: Sides, vectors: VectorSource) -> Index:
        """The index of these vectors, opened at its first use."""

        def open_it() -> Index:
            index = read_index(self.folder, vectors, self.about, mapped=True)
            index.effort, index.more = self.effort, self.more
            return replace(index, searcher=on_gpu(index.searcher))

        found: Index = sides.once(f"index {self.folder}", open_it)
        return found


@dataclass(frozen=True)
class LookUp:
    """Rows of one side that are looked up in the other.

    Attributes:
        of_a: whether they are rows of side a.
        span: the rows, beginning with a multiple of `QUERY_ROWS`.
        kept: the index of the other side; None: all of it is searched.
    """

    of_a: bool
    span: Span
    kept: KeptForm | None

    def do(self, sides: Sides, advance: Count) -> Found:
        """Their similarities and neighbours [rows of the span, k]."""
        queries, others, copies = sides.turned(self.of_a)
        names = ("side a", "side b") if self.of_a else ("side b", "side a")
        searcher: Searcher = FlatSearch(others, names[1], sides.job.memory_bytes)
        if self.kept is not None:
            searcher = self.kept.opened(sides, others)
        first, last = self.span
        similarity = np.full((last - first, sides.job.k), -np.inf, np.float32)
        row = np.full((last - first, sides.job.k), -1, np.int64)
        for start in range(first, last, QUERY_ROWS):
            stop = min(start + QUERY_ROWS, last)
            part = normalised(queries, start, stop, names[0], CPU)
            if len(others):
                found = search_rows(searcher, part, np.arange(start, stop), sides.job.k, copies)
                similarity[start - first : stop - first], row[start - first : stop - first] = found
            advance(stop - start)
        return similarity, row
