"""A FAISS index that is chosen by size, trained on a sample, saved and used again.

An index belongs to the vectors it was built from: its folder holds a fingerprint of them, and an index of other vectors
is refused. Compressed indexes only propose: their candidates are scored again with the vectors themselves, so every
cosine that leaves this module is exact, and only neighbours may be missing. That is FAISS' refinement (``RFlat``)
without a second copy of the vectors, which stay memory-mapped.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.console.errors import ParamsError
from pipeline.ground.arrays import Rows
from pipeline.ground.atomic import atomic_folder
from pipeline.ground.file_checksum import KEY, blank, file_digest, seal
from pipeline.ground.hashing import canonical_json, identity_hash
from pipeline.ground.matmul import product
from pipeline.search.filling import FILL_ROWS, Fillers, fill, fill_in_parts, list_bytes, lists_of, separable
from pipeline.search.kept_indexes import ABOUT_FILE, INDEX_FILE, LISTS_FILE, IndexFolderError, check_index, read_about
from pipeline.search.neighbors import Found, ordered
from pipeline.search.vectors import VectorSource, gathered

log = logging.getLogger(__name__)

VERSION = 2
"""The version of the folder's form: 2 has checksums, and the version of FAISS, which chooses the centroids."""
CPU = torch.device("cpu")

FLAT_ROWS = 10_000
"""Up to here every vector is compared."""

POINTS_PER_LIST = 64
"""Vectors that each centroid is trained on, at most (FAISS warns below 39)."""

ROTATION_ROWS = 16_384
"""Vectors that an OPQ rotation is trained on, at most."""

GRAPH_LISTS = 1 << 15
"""From so many lists on, a vector finds its lists by a graph of their centroids (HNSW)."""

CANDIDATES, SCORED = 8_192, 16
"""Candidates that are scored again at once, at most, and queries whose they are."""

PROPOSED = 1 << 21
"""Candidates of a search of FAISS, at most, beyond which its queries are cut: 12 bytes each."""

MANY = 16
"""For more neighbours than this a code for every single number costs less than so many more candidates would."""

OVER_QUERIES = 3
"""FAISS' way of sharing a search among threads that assigns all queries to lists at once: how doesn't depend on threads."""


@dataclass(frozen=True)
class IndexForm:
    """What an index is to be.

    Attributes:
        factory: a FAISS factory string.
        index_bytes: memory for its lists; larger ones are written in parts and merged into one file on the disk.
        seed: the seed of the training sample and of k-means.
    """

    factory: str
    index_bytes: int
    seed: int = 0


def choose_factory(rows: int, dimension: int, index_bytes: int, k: int) -> str:
    """The FAISS factory string for k neighbours among so many vectors.

    All vectors as they are (``Flat``) for few. Else lists around centroids (``IVF``), about 2·√rows of them, and codes
    of four bits for every one (of many neighbours), two, three, … numbers that FAISS looks up in a processor's registers
    (fast scan, ``x4fs``). Coded is what a vector differs by from its centroid (``r``): where all vectors are alike, as many
    encoders make them, codes of the vectors themselves don't tell neighbours apart. Where these don't fit into
    ``index_bytes``, codes of a byte after a rotation (``OPQ``, ``PQ``), whose lists can lie on the disk.

    >>> [choose_factory(rows, 384, 1 << 30, 4) for rows in (5_000, 100_000, 10**8)]
    ['Flat', 'IVF512,PQ192x4fsr', 'OPQ64,IVF16384,PQ64']
    >>> choose_factory(100_000, 384, 1 << 30, 64)
    'IVF512,PQ384x4fsr'
    """
    if rows <= FLAT_ROWS:
        return "Flat"
    lists = 2 ** round(np.log2(2 * rows**0.5) - 0.25)
    coarse = f"IVF{lists}" + ("_HNSW32" if lists >= GRAPH_LISTS else "")
    for numbers in (1, 2, 3, 4, 6, 8) if k > MANY else (2, 3, 4, 6, 8):
        parts = dimension // numbers
        if dimension % numbers == 0 and rows * (parts / 2 + 8) <= index_bytes:
            return f"{coarse},PQ{parts}x4fsr"
    parts = next((m for m in (64, 48, 32, 24, 16, 8, 4, 2) if dimension % m == 0), 1)
    return f"OPQ{parts},{coarse},PQ{parts}"


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
        vectors: the vectors that it holds, to score candidates again.
        about: factory string, fingerprint, sample, seed: what a saved index must agree with.
        folder: the folder in which it is kept.
        more: candidates that it proposes beyond those of `proposed`, if it is compressed.
    """

    searcher: Any
    vectors: VectorSource
    about: dict[str, Any]
    folder: Path
    more: int = 0

    @property
    def exact_scores(self) -> bool:
        """Whether the index keeps the vectors as they are, so that its scores need no second look."""
        kinds = (faiss.IndexFlat, faiss.IndexIVFFlat, faiss.IndexHNSWFlat)
        return type(faiss.downcast_index(self.searcher)) in (faiss.IndexFlatIP, *kinds)

    def search(self, queries: torch.Tensor, k: int) -> Found:
        """The k best that it finds for queries [q, d] of length 1; -inf and -1 where there are fewer."""
        wanted = min(k if self.exact_scores else proposed(k) + self.more, max(len(self.vectors), 1))
        step = max(1, PROPOSED // wanted)
        parts = [
            ordered(*self.propose(queries[start : start + step], wanted), k) for start in range(0, len(queries), step)
        ]
        similarity, row = (np.concatenate(part) for part in zip(*parts, strict=True))
        return similarity, row

    def propose(self, queries: torch.Tensor, count: int) -> Found:
        """Its first candidates [q, count] as its codes order them, with their cosines; -inf and -1 where there are fewer."""
        similarity, row = self.searcher.search(queries.numpy(), count)
        if not self.exact_scores:
            return self._scored_again(queries, row), row
        return np.where(row >= 0, similarity, -np.inf).astype(np.float32), row

    def _scored_again(self, queries: torch.Tensor, row: Rows) -> NDArray[np.float32]:
        similarity = np.full(row.shape, -np.inf, np.float32)
        step = max(1, min(SCORED, CANDIDATES // row.shape[1]))
        for start in range(0, len(row), step):
            part = row[start : start + step]
            rows, place = np.unique(np.where(part >= 0, part, 0), return_inverse=True)
            # All of them with all candidates: that is sooner done than the candidates are copied, each for its own query.
            scores = product(gathered(self.vectors, rows, "the index", CPU), queries[start : start + step]).numpy()
            own = scores[place.reshape(part.shape), np.arange(len(part))[:, None]]
            similarity[start : start + step] = np.where(part >= 0, own, -np.inf)
        return similarity

    @property
    def is_graph(self) -> bool:
        """Whether vectors are found by a walk from one to its neighbours."""
        return lists_of(self.searcher) is None and _graph(self.searcher) is not None

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


def proposed(k: int) -> int:
    """Candidates that a compressed index proposes for k neighbours, which are scored again: fewer for each of many."""
    return min(8 * k, 2 * k + 32)


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


def training_rows(rows: int, factory: str, seed: int) -> Rows:
    """Which rows an index is trained on: sorted, chosen with a seed, no more than the index uses."""
    lists = next((int(part[3:].split("_")[0]) for part in factory.split(",") if part.startswith("IVF")), 1)
    wanted = min(rows, max(lists * POINTS_PER_LIST, 20_000))
    return np.sort(np.random.default_rng(seed).choice(rows, wanted, replace=False))


def build_index(folder: Path, vectors: VectorSource, form: IndexForm, fillers: Fillers | None = None) -> Index:
    """Train, fill and save an index; the folder appears whole or not at all.

    Memory: the training sample as float32, and the lists (or one part of them, ``index_bytes``).

    Args:
        folder: the folder in which it is kept.
        vectors: the vectors that it is to hold [n, d].
        form: the index wanted.
        fillers: the workers that write parts; this process adds the vectors, if not given, or if the parts of such an index
            can't be put together.

    Raises:
        VectorError: if a vector is zero or not finite.
        ParamsError: if FAISS can't train it (`train`).
    """
    return _build(folder, vectors, form, _about(vectors, form), fillers)


def _build(
    folder: Path, vectors: VectorSource, form: IndexForm, about: dict[str, Any], fillers: Fillers | None
) -> Index:
    rows = training_rows(len(vectors), form.factory, form.seed)
    searcher = train(gathered(vectors, rows, "the index", CPU).numpy(), form.factory, form.seed)
    with atomic_folder(folder) as temporary:
        if separable(searcher) and (fillers is not None or list_bytes(searcher, len(vectors)) > form.index_bytes):
            fill_in_parts(temporary, searcher, vectors, form.index_bytes, fillers)
        else:
            fill(searcher, vectors, (0, len(vectors)), FILL_ROWS)
        faiss.write_index(searcher, str(temporary / INDEX_FILE))
        files = {path.name: file_digest(path) for path in sorted(temporary.iterdir())}
        (temporary / ABOUT_FILE).write_text(
            canonical_json({**about, "files": files, **blank()}) + "\n", encoding="utf-8"
        )
        seal(temporary / ABOUT_FILE)
    return read_index(folder, vectors, about)


def _about(vectors: VectorSource, form: IndexForm) -> dict[str, Any]:
    return {
        "version": VERSION,
        "faiss": faiss.__version__,
        "factory": form.factory,
        "seed": form.seed,
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
    return read_index(folder, vectors, {name: value for name, value in about.items() if name not in {"files", KEY}})


def read_index(folder: Path, vectors: VectorSource, about: dict[str, Any], mapped: bool = False) -> Index:
    """The index in a folder; ``mapped``: its lists are not read into memory, whatever their size, if FAISS can map them."""
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


def ensure_index(root: Path, vectors: VectorSource, form: IndexForm, fillers: Fillers | None = None) -> Index:
    """The saved index of these vectors under ``root``, built if it isn't there; its folder is named by what it holds.

    Reads the vectors once to know them. One that is damaged is named in a line of the log, and built again.
    """
    about = _about(vectors, form)
    folder = root / identity_hash(about)
    if folder.exists():
        try:
            index = _open(folder, vectors, lambda: str(about["vectors"]))
            with suppress(OSError):  # a store that may only be read
                os.utime(folder / ABOUT_FILE)  # used now: not to be pruned
            return index
        except IndexFolderError as error:
            log.warning("%s; it is built again", str(error).partition(";")[0])
    return _build(folder, vectors, form, about, fillers)
