"""Filling a trained FAISS index: at once, or in parts that are then put together.

A list holds its vectors in the order of their rows, and every batch that is assigned to lists begins at the same row whatever
the parts are, so the index has the same bytes either way.
"""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from faiss.contrib.ondisk import merge_ondisk

from pipeline.compute.work import Count, Crew
from pipeline.ground.atomic import atomic_file
from pipeline.search.blocks import Span, row_ranges
from pipeline.search.kept_indexes import LISTS_FILE
from pipeline.search.vectors import VectorSource, normalised
from pipeline.search.workers import Item, Sides, uncounted

FILL_ROWS = 65_536
"""Rows assigned to lists at once; parts are whole numbers of them."""

ID_BYTES = 8
"""Of a vector in a list, beside its code."""


def lists_of(searcher: Any) -> Any:
    """The inverted file in a FAISS index; None if there is none."""
    return faiss.try_extract_index_ivf(searcher)


def separable(searcher: Any) -> bool:
    """Whether parts of an index can be put together: not graphs, nor lists of packed codes or with a second look."""
    kinds = (faiss.IndexIVFFlat, faiss.IndexIVFPQ, faiss.IndexIVFScalarQuantizer)
    inner = faiss.downcast_index(searcher)
    if isinstance(inner, faiss.IndexPreTransform):
        inner = faiss.downcast_index(inner.index)
    return type(inner) in kinds


def list_bytes(searcher: Any, rows: int) -> int:
    """What the lists of so many vectors take."""
    return (int(lists_of(searcher).code_size) + ID_BYTES) * rows


def fill(searcher: Any, vectors: VectorSource, span: Span, batch: int) -> None:
    """Add a range of rows, batch by batch.

    Raises:
        VectorError: if a vector is zero or not finite.
    """
    named = span != (0, len(vectors))
    for first in range(*span, batch):
        rows = normalised(vectors, first, min(first + batch, span[1]), "the index", torch.device("cpu")).numpy()
        if named:
            searcher.add_with_ids(rows, np.arange(first, first + len(rows)))
        else:
            searcher.add(rows)


def write_part(trained: Path, vectors: VectorSource, span: Span, batch: int, path: Path) -> None:
    """Write an index of a range of rows; holds its lists, and what was trained.

    Args:
        trained: an index that is trained and empty.
        vectors: [n, d].
        span: rows, beginning with a batch.
        batch: rows of a batch.
        path: where to.

    Raises:
        VectorError: if a vector is zero or not finite.
        OSError: if it doesn't fit on the disk.
    """
    part = faiss.read_index(str(trained))
    fill(part, vectors, span, batch)
    with atomic_file(path) as temporary:
        faiss.write_index(part, str(temporary))


@dataclass(frozen=True)
class Part:
    """A part of an index that a worker writes.

    Attributes:
        of_a: whether the index is of side a.
        trained: the trained, empty index, as in `write_part`.
        span: the rows, as in `write_part`.
        batch: rows at a time, as in `write_part`.
        path: the part's file, as in `write_part`.
    """

    of_a: bool
    trained: Path
    span: Span
    batch: int
    path: Path

    def do(self, sides: Sides, advance: Count) -> None:
        """Write it."""
        write_part(self.trained, sides.x if self.of_a else sides.y, self.span, self.batch, self.path)


@dataclass(frozen=True)
class Fillers:
    """The workers that fill an index.

    Attributes:
        workers: the workers that have both sides.
        of_a: whether the index is of side a.
        wanted: parts, at least, if there are so many batches.
    """

    workers: Crew[Item, Any]
    of_a: bool
    wanted: int


def fill_in_parts(
    folder: Path, searcher: Any, vectors: VectorSource, index_bytes: int, fillers: Fillers | None
) -> None:
    """Fill a trained index whose parts can be put together, part by part.

    Lists larger than ``index_bytes`` become a file beside the index, from which searches read them. Holds as much, and each
    worker a part; the folder takes the lists twice for a while.

    Args:
        folder: the index' folder.
        searcher: trained and empty; written by the caller when it is filled.
        vectors: [n, d].
        index_bytes: memory for the lists, or for those of a part.
        fillers: who writes parts; this process, if not given.

    Raises:
        VectorError: if a vector is zero or not finite.
        OSError: if it doesn't fit on the disk.
    """
    parts = (folder / "parts").absolute()
    parts.mkdir()
    trained = parts / "trained.faiss"
    faiss.write_index(searcher, str(trained))
    most = max(1, index_bytes // list_bytes(searcher, FILL_ROWS)) * FILL_ROWS
    spans = row_ranges(len(vectors), FILL_ROWS, 1 if fillers is None else fillers.wanted, most)
    paths = [parts / f"{number:05d}.faiss" for number in range(len(spans))]
    if fillers is None:
        for span, path in zip(spans, paths, strict=True):
            write_part(trained, vectors, span, FILL_ROWS, path)
    else:
        items = [Part(fillers.of_a, trained, span, FILL_ROWS, path) for span, path in zip(spans, paths, strict=True)]
        for _ in fillers.workers.map(items, uncounted):
            pass
    if list_bytes(searcher, len(vectors)) > index_bytes:
        _check_free(folder / LISTS_FILE, list_bytes(searcher, len(vectors)))
        merge_ondisk(searcher, [str(path) for path in paths], str(folder / LISTS_FILE))
        # Found in the index' folder, wherever that is.
        in_file: Any = faiss.downcast_InvertedLists(lists_of(searcher).invlists)
        in_file.filename = LISTS_FILE
    else:
        lists = lists_of(searcher)
        for path in paths:
            part = faiss.read_index(str(path))  # held: its lists are a part of it
            lists.merge_from(lists_of(part), 0)
            path.unlink()
        searcher.ntotal = lists.ntotal
    shutil.rmtree(parts)


def _check_free(path: Path, size: int) -> None:
    """Refuse a full disk: FAISS writes to a map of a file with holes, and the system would end the process (SIGBUS)."""
    if shutil.disk_usage(path.parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
