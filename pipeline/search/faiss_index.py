"""Approximate search through a FAISS index that is chosen by size, trained on a sample, saved and used again.

An index belongs to the vectors it was built from: its folder holds a fingerprint of them, and an index of other
vectors is refused. How many of its lists a search visits is not fixed but found, on a sample that is also searched
exactly, so that the share of the true neighbours that params.yaml asks for is reached. Compressed indexes only
propose: their candidates are scored again with the vectors themselves, so every cosine that leaves this module is
exact, and only neighbours may be missing.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.compute.in_process import here
from pipeline.compute.work import Count, Crew
from pipeline.console.errors import ParamsError
from pipeline.console.progress import Advance
from pipeline.ground.atomic import atomic_folder
from pipeline.ground.file_checksum import KEY, blank, file_digest, seal
from pipeline.ground.hashing import canonical_json, identity_hash
from pipeline.search.blocks import Span, row_ranges
from pipeline.search.copies import Copies
from pipeline.search.filling import FILL_ROWS, Fillers, fill, fill_in_parts, list_bytes, lists_of, separable
from pipeline.search.kept_indexes import ABOUT_FILE, INDEX_FILE, LISTS_FILE, IndexFolderError, check_index, read_about
from pipeline.search.neighbors import Neighbors, one_way
from pipeline.search.scratch import Room
from pipeline.search.vectors import VectorSource, check_pair, gathered, normalised
from pipeline.search.workers import Item, Sides, do_item

log = logging.getLogger(__name__)

VERSION = 2
"""Of the folder's form: 2 has checksums, and the version of FAISS, which chooses the centroids."""
CPU = torch.device("cpu")

FLAT_ROWS = 10_000
"""Up to here every vector is compared."""

POINTS_PER_LIST = 64
"""Vectors that each centroid is trained on, at most (FAISS warns below 39)."""

ROTATION_ROWS = 16_384
"""Vectors that an OPQ rotation is trained on, at most."""

QUERY_ROWS = 8_192
"""Rows searched at once."""

LOOKED_UP = 16 * QUERY_ROWS
"""Rows of an item of work, at most."""

OVER_QUERIES = 3
"""FAISS' way of sharing a search among threads that assigns all queries to lists at once: how doesn't depend on threads."""

WIDER = 4
"""A compressed index proposes so many times k candidates, which are scored again."""

TOLERANCE = 1e-6
"""A neighbour as near as the exact k-th one counts as found: copies of a vector are interchangeable."""


def choose_factory(rows: int, dimension: int, index_bytes: int) -> str:
    """The FAISS factory string for so many vectors.

    All vectors as they are (``Flat``) for few; lists around centroids (``IVF``), about 4·√rows of them; their vectors
    as float32, as float16 or as product-quantised codes after a rotation (``OPQ``, ``PQ``), whichever fits first.
    Codes that still don't fit are kept on disk (see `build_index`).

    >>> choose_factory(5_000, 384, 1 << 30), choose_factory(100_000, 384, 1 << 30), choose_factory(10**7, 384, 1 << 30)
    ('Flat', 'IVF1024,Flat', 'OPQ64,IVF8192,PQ64')
    """
    if rows <= FLAT_ROWS:
        return "Flat"
    lists = 2 ** round(np.log2(4 * rows**0.5) - 0.25)
    if rows * dimension * 4 <= index_bytes:
        return f"IVF{lists},Flat"
    if rows * dimension * 2 <= index_bytes:
        return f"IVF{lists},SQfp16"
    parts = next((m for m in (64, 48, 32, 24, 16, 8, 4, 2) if dimension % m == 0), 1)
    return f"OPQ{parts},IVF{lists},PQ{parts}"


def fingerprint(vectors: VectorSource) -> str:
    """A hash (32 hexadecimal digits) of shape, type and every value; reads the vectors once."""
    digest = hashlib.blake2b(canonical_json({"shape": list(vectors.shape), "dtype": str(vectors.dtype)}).encode())
    for start in range(0, len(vectors), 65_536):
        digest.update(np.ascontiguousarray(vectors[start : start + 65_536]).tobytes())
    return digest.hexdigest()[:32]


@dataclass
class Index:
    """A FAISS index and what it was made from.

    Attributes:
        searcher: the FAISS index, over vectors of length 1 by inner product.
        vectors: what it holds, to score candidates again.
        about: factory string, fingerprint, sample, seed: what a saved index must agree with.
        folder: where it is kept.
        copies: rows of what is looked up and of the index with the same text, which are no neighbours.
    """

    searcher: Any
    vectors: VectorSource
    about: dict[str, Any]
    folder: Path
    copies: Copies | None = None

    @property
    def exact_scores(self) -> bool:
        """Whether the index keeps the vectors as they are, so that its scores need no second look."""
        return str(self.about["factory"]).split(",")[-1] == "Flat" or "HNSW" in str(self.about["factory"])

    def search(self, queries: torch.Tensor, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k best that it finds for queries [q, d] of length 1: similarities and rows, -inf and -1 where fewer."""
        wanted = k if self.exact_scores else WIDER * k
        similarity, row = self.searcher.search(queries.numpy(), min(wanted, max(len(self.vectors), 1)))
        similarity = np.where(row >= 0, similarity, -np.inf).astype(np.float32)
        if not self.exact_scores:
            similarity = self._scored_again(queries, row)
        return _ordered(similarity, row, k)

    def search_rows(
        self, queries: torch.Tensor, rows: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The same for rows [q] of the other side, without their copies: as many more are asked for, and left out."""
        copies = self.copies
        found = np.full((len(rows), k), -np.inf, np.float32), np.full((len(rows), k), -1, np.int64)
        more = np.zeros(len(rows), np.int64) if copies is None else copies.counts(rows)
        # In powers of two, so that few searches do.
        more = np.where(more > 0, 2 ** np.ceil(np.log2(np.maximum(more, 1))).astype(np.int64), 0)
        for wider in np.unique(more).tolist():
            these = np.flatnonzero(more == wider)
            step = max(1, QUERY_ROWS * k // (k + wider))
            for start in range(0, len(these), step):
                part = these[start : start + step]
                similarity, row = self.search(queries[torch.from_numpy(part)], k + wider)
                if copies is not None and wider:
                    same = copies.met(rows[part], row)
                    similarity, row = _ordered(np.where(same, -np.inf, similarity), np.where(same, -1, row), k)
                found[0][part], found[1][part] = similarity, row
        return found

    def _scored_again(self, queries: torch.Tensor, row: NDArray[np.int64]) -> NDArray[np.float32]:
        similarity = np.full(row.shape, -np.inf, np.float32)
        step = max(1, QUERY_ROWS // row.shape[1])
        for start in range(0, len(row), step):
            part = row[start : start + step]
            proposed, place = np.unique(np.where(part >= 0, part, 0), return_inverse=True)
            others = gathered(self.vectors, proposed, "the index", CPU)[torch.from_numpy(place.reshape(-1))]
            scores = torch.einsum("qd,qcd->qc", queries[start : start + step], others.view(*part.shape, -1))
            similarity[start : start + step] = np.where(part >= 0, scores.numpy(), -np.inf)
        return similarity

    @property
    def effort(self) -> int:
        """Lists visited (IVF) or the width of the walk (HNSW); 0 where there is nothing to choose."""
        if (lists := lists_of(self.searcher)) is not None:
            return int(lists.nprobe)
        return int(graph.efSearch) if (graph := _graph(self.searcher)) is not None else 0

    @effort.setter
    def effort(self, value: int) -> None:
        if (lists := lists_of(self.searcher)) is not None:
            lists.nprobe = value
        elif (graph := _graph(self.searcher)) is not None:
            graph.efSearch = value

    @property
    def most_effort(self) -> int:
        """The effort that visits everything; 0 where there is nothing to choose."""
        if (lists := lists_of(self.searcher)) is not None:
            return int(lists.nlist)
        return len(self.vectors) if _graph(self.searcher) is not None else 0


def _ordered(
    similarity: NDArray[np.float32], row: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The first k columns, by similarity and then the lower row, padded where there are fewer."""
    short = k - row.shape[1]
    if short > 0:
        similarity = np.pad(similarity, ((0, 0), (0, short)), constant_values=-np.inf)
        row = np.pad(row, ((0, 0), (0, short)), constant_values=-1)
    order = np.lexsort((row, -similarity), axis=1)[:, :k]
    return np.take_along_axis(similarity, order, axis=1), np.take_along_axis(row, order, axis=1)


def _graph(searcher: Any) -> Any:
    inner = faiss.downcast_index(searcher)
    while isinstance(inner, faiss.IndexPreTransform | faiss.IndexIDMap):
        inner = faiss.downcast_index(inner.index)
    return getattr(inner, "hnsw", None)


def _rotation(searcher: Any) -> Any:
    if not isinstance(searcher, faiss.IndexPreTransform):
        return None
    chain: Any = searcher.chain
    first = faiss.downcast_VectorTransform(chain.at(0))
    return first if isinstance(first, faiss.OPQMatrix) else None


def train(sample: NDArray[np.float32], factory: str, seed: int) -> Any:
    """An empty FAISS index, trained on a sample [s, d] of vectors of length 1.

    Raises:
        ParamsError: if FAISS doesn't know the factory string, or can't train it on so few vectors.
    """
    try:
        searcher = faiss.index_factory(sample.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        if (lists := lists_of(searcher)) is not None:
            lists.cp.seed, lists.cp.niter, lists.cp.max_points_per_centroid = seed, 10, POINTS_PER_LIST
            if (codes := getattr(lists, "pq", None)) is not None:
                codes.cp.seed, codes.cp.niter = seed, 10
        if (rotation := _rotation(searcher)) is not None:
            # FAISS' own 50 rounds over 65,536 rows take minutes.
            rotation.niter, rotation.niter_pq_0, rotation.max_train_points = 5, 10, ROTATION_ROWS
        searcher.train(sample)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].split("' failed: ")[-1].removeprefix("Error: ")
        raise ParamsError(f"mine.index: FAISS can't make {factory!r} of {len(sample):,} vectors: {reason}") from None
    return searcher


def training_rows(rows: int, factory: str, seed: int) -> NDArray[np.int64]:
    """Which rows an index is trained on: sorted, chosen with a seed, no more than the index uses."""
    lists = next((int(part[3:].split("_")[0]) for part in factory.split(",") if part.startswith("IVF")), 1)
    wanted = min(rows, max(lists * POINTS_PER_LIST, 20_000))
    return np.sort(np.random.default_rng(seed).choice(rows, wanted, replace=False))


def build_index(
    folder: Path,
    vectors: VectorSource,
    factory: str,
    index_bytes: int,
    seed: int = 0,
    advance: Advance | None = None,
    fillers: Fillers | None = None,
) -> Index:
    """Train, fill and save an index; the folder appears whole or not at all.

    Lists larger than ``index_bytes`` are written in parts and merged into one file that searches read from the disk.
    Memory: the training sample as float32, and the lists (or one part of them, ``index_bytes``).

    Args:
        folder: where it is kept.
        vectors: [n, d].
        factory: a FAISS factory string.
        index_bytes: memory for the lists.
        seed: of the training sample and of k-means.
        advance: called with rows added, where this process adds them to an index that fits into memory.
        fillers: the workers that write parts; this process adds the vectors, if not given, or if the parts of such an index
            can't be put together.

    Raises:
        VectorError: if a vector is zero or not finite.
        ParamsError: see `train`.
    """
    return _build(folder, vectors, _about(vectors, factory, seed), index_bytes, advance, fillers)


def _build(
    folder: Path,
    vectors: VectorSource,
    about: dict[str, Any],
    index_bytes: int,
    advance: Advance | None,
    fillers: Fillers | None,
) -> Index:
    factory, seed = str(about["factory"]), int(about["seed"])
    rows = training_rows(len(vectors), factory, seed)
    searcher = train(gathered(vectors, rows, "the index", CPU).numpy(), factory, seed)
    with atomic_folder(folder) as temporary:
        if separable(searcher) and (fillers is not None or list_bytes(searcher, len(vectors)) > index_bytes):
            fill_in_parts(temporary, searcher, vectors, index_bytes, fillers)
        else:
            fill(searcher, vectors, (0, len(vectors)), FILL_ROWS, advance)
        faiss.write_index(searcher, str(temporary / INDEX_FILE))
        files = {path.name: file_digest(path) for path in sorted(temporary.iterdir())}
        (temporary / ABOUT_FILE).write_text(
            canonical_json({**about, "files": files, **blank()}) + "\n", encoding="utf-8"
        )
        seal(temporary / ABOUT_FILE)
    return _read(folder, vectors, about)


def _about(vectors: VectorSource, factory: str, seed: int) -> dict[str, Any]:
    return {
        "version": VERSION,
        "faiss": faiss.__version__,
        "factory": factory,
        "seed": seed,
        "vectors": fingerprint(vectors),
    }


def open_index(folder: Path, vectors: VectorSource) -> Index:
    """A saved index of these vectors.

    Raises:
        IndexFolderError: if there is none, if it can't be read, or if it belongs to other vectors.
    """
    return _open(folder, vectors, lambda: fingerprint(vectors))


def _open(folder: Path, vectors: VectorSource, fingerprint_of: Callable[[], str]) -> Index:
    about = read_about(folder)
    version, owner = about["version"], about["vectors"]
    if version != VERSION:
        raise IndexFolderError(folder, f"an index of format {version}, expected {VERSION}; build it again")
    check_index(folder)
    found = fingerprint_of()
    if owner != found:
        raise IndexFolderError(folder, f"this index belongs to other vectors ({owner}), not to these ({found})")
    # Without what only says how the files are checked: an index is the same whether it was opened or has just been built.
    return _read(folder, vectors, {name: value for name, value in about.items() if name not in {"files", KEY}})


def _read(folder: Path, vectors: VectorSource, about: dict[str, Any], mapped: bool = False) -> Index:
    """The index in a folder; ``mapped``: its lists are not read into memory, whatever their size."""
    flags = faiss.IO_FLAG_ONDISK_SAME_DIR
    if mapped:  # lists in a file of their own are mapped in any case; FAISS crashes if it is told to map them twice
        flags = faiss.IO_FLAG_READ_ONLY | (flags if (folder / LISTS_FILE).exists() else faiss.IO_FLAG_MMAP)
    try:
        searcher = faiss.read_index(str(folder / INDEX_FILE), flags)
    except RuntimeError as error:
        raise IndexFolderError(folder / INDEX_FILE, f"FAISS can't read it: {str(error).splitlines()[-1]}") from None
    if searcher.ntotal != len(vectors) or searcher.d != vectors.shape[1]:
        raise IndexFolderError(
            folder / INDEX_FILE,
            f"holds {searcher.ntotal:,} vectors of dimension {searcher.d}, expected {len(vectors):,} of "
            f"{vectors.shape[1]}",
        )
    if (lists := lists_of(searcher)) is not None:
        lists.parallel_mode = OVER_QUERIES
    return Index(searcher, vectors, about, folder)


def ensure_index(
    root: Path,
    vectors: VectorSource,
    factory: str,
    index_bytes: int,
    seed: int = 0,
    advance: Advance | None = None,
    fillers: Fillers | None = None,
) -> Index:
    """The saved index of these vectors under ``root``, built if it isn't there; its folder is named by what it holds.

    Reads the vectors once to know them. One that is damaged is named in a line of the log, and built again.
    """
    about = _about(vectors, factory, seed)
    folder = root / identity_hash(about)
    if folder.exists():
        try:
            index = _open(folder, vectors, lambda: str(about["vectors"]))
            with suppress(OSError):  # a store that may only be read
                os.utime(folder / ABOUT_FILE)  # used now: not to be pruned
            return index
        except IndexFolderError as error:
            log.warning("%s; it is built again", str(error).partition(";")[0])
    return _build(folder, vectors, about, index_bytes, advance, fillers)


@dataclass(frozen=True)
class Tuned:
    """What an index' search was set to.

    Attributes:
        effort: lists visited, or the width of the walk; 0 where there is nothing to choose.
        recall: the share of the true neighbours found on the sample.
    """

    effort: int
    recall: float


def tune_effort(
    index: Index,
    queries: VectorSource,
    k: int,
    recall: float,
    sample: int,
    memory_bytes: int,
    seed: int = 0,
    search: Callable[[NDArray[np.int64]], NDArray[np.float32]] | None = None,
) -> Tuned:
    """Set the least effort, within a quarter, that finds ``recall`` of the k nearest neighbours of a sample of queries.

    If even visiting everything does not reach it (compressed codes), the effort stops growing where it stops helping.
    ``search`` gives the exact similarities [r, k] of rows [r] of the queries; this process does, if it is not given.
    """
    if len(queries) == 0 or len(index.vectors) == 0:
        return Tuned(index.effort, 1.0)
    rows = np.sort(np.random.default_rng(seed).choice(len(queries), min(sample, len(queries)), replace=False))
    exact = one_way(queries, rows, index.vectors, k, memory_bytes, "cpu")[0] if search is None else search(rows)
    asked = gathered(queries, rows, "the queries", CPU)

    def reached(effort: int) -> float:
        index.effort = effort
        return neighbor_recall(exact, index.search_rows(asked, rows, k)[0])

    most = index.most_effort
    if most == 0:
        return Tuned(0, neighbor_recall(exact, index.search_rows(asked, rows, k)[0]))
    high, found = 1, reached(1)
    while found < recall and high < most:
        before, high = found, min(2 * high, most)
        found = reached(high)
        if high > most // 4 and found <= before:
            break
    low = high // 2
    while found >= recall and high - low > max(1, high // 4):
        middle = (low + high) // 2
        if (share := reached(middle)) >= recall:
            high, found = middle, share
        else:
            low = middle
    index.effort = high
    return Tuned(high, found)


def neighbor_recall(exact: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """The share of exact neighbours [q, k] for which the search found one at least as near as the k-th; 1 for none."""
    there = np.isfinite(exact)
    if not there.any():
        return 1.0
    kth = np.where(there, exact, np.inf).min(axis=1, keepdims=True)
    return float((np.isfinite(found) & (found >= kth - TOLERANCE)).sum() / there.sum())


def approximate_neighbors(
    forward: Index,
    backward: Index,
    k: int,
    advance: Advance | None = None,
    room: Room | None = None,
    crew: Crew[Item, Any] | None = None,
    wanted: int = 1,
) -> Neighbors:
    """The neighbours of both directions as two indexes find them.

    Holds 12·k bytes a row of both sides where the room is memory; each worker what is opened of an index without its lists,
    which are mapped, and the candidates of `QUERY_ROWS` rows.

    Args:
        forward: an index of side b's vectors, in which side a's are looked up.
        backward: an index of side a's vectors.
        k: neighbours of a row.
        advance: called with rows looked up, n + m in all.
        room: for the result; memory, if not given.
        crew: who looks up; this process, if not given.
        wanted: into how many items each direction is cut, about.

    Raises:
        VectorError: if the sides can't be compared, or a vector is zero or not finite.
        IndexFolderError: if a worker can't open an index.
        OSError: if the result doesn't fit on the disk.
    """
    x, y = backward.vectors, forward.vectors
    check_pair(x, y)
    if crew is None:
        crew = here(do_item, Sides(x, y, k, 0, "cpu", {_name(index.folder): index for index in (backward, forward)}))
    room, lists = room or Room(), []
    for index, queries, name in ((forward, x, "a"), (backward, y, "b")):
        similarity = room.array(f"similarity-{name}", np.float32, (len(queries), k))
        row = room.array(f"row-{name}", np.int64, (len(queries), k))
        spans = row_ranges(len(queries), QUERY_ROWS, wanted, LOOKED_UP)
        items = [LookUp(name == "a", span, index.folder.absolute(), index.about, index.effort) for span in spans]
        for (start, stop), found in zip(spans, crew.map(items, advance or _uncounted), strict=True):
            similarity[start:stop], row[start:stop] = found
        lists += [similarity, row]
    return Neighbors(*lists)


@dataclass(frozen=True)
class LookUp:
    """Rows of one side that are looked up in an index of the other.

    Attributes:
        of_a: whether they are rows of side a.
        span: the rows, beginning with a multiple of `QUERY_ROWS`.
        folder: of the index.
        about: what it says of itself.
        effort: as of `Index`.
    """

    of_a: bool
    span: Span
    folder: Path
    about: dict[str, Any]
    effort: int

    def do(self, sides: Sides, advance: Count) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Their similarities and neighbours [rows of the span, k]."""
        queries, others = (sides.x, sides.y) if self.of_a else (sides.y, sides.x)
        index: Index = sides.once(_name(self.folder), lambda: _read(self.folder, others, self.about, mapped=True))
        index.effort = self.effort
        if sides.copies is not None:
            index.copies = sides.copies if self.of_a else sides.copies.swapped()
        first, last = self.span
        similarity = np.full((last - first, sides.k), -np.inf, np.float32)
        row = np.full((last - first, sides.k), -1, np.int64)
        for start in range(first, last, QUERY_ROWS):
            stop = min(start + QUERY_ROWS, last)
            part = normalised(queries, start, stop, "side a" if self.of_a else "side b", CPU)
            if len(index.vectors):
                found = index.search_rows(part, np.arange(start, stop), sides.k)
                similarity[start - first : stop - first], row[start - first : stop - first] = found
            advance(stop - start)
        return similarity, row


def _name(folder: Path) -> str:
    return f"index {folder.absolute()}"


def _uncounted(_: int) -> None:
    pass


def identity_of(made_by: Mapping[str, Any], index: Index) -> dict[str, Any]:
    """What provenance says of a search: the vectors' own identity, the index and its effort."""
    return {"vectors": dict(made_by), "index": {**index.about, "effort": index.effort}}
