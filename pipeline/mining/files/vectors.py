"""Vectors of a user's text: each different sentence once, streamed to a memory-mapped file."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from pipeline.artifacts.table_rows import take_rows
from pipeline.console.errors import InputError
from pipeline.console.progress import Advance, progress
from pipeline.encoders.load import ModelEncoder
from pipeline.ground.arrays import Rows
from pipeline.ground.atomic import atomic_file, write_text
from pipeline.ground.hashing import canonical_json
from pipeline.mining.files.text import OwnText

BLOCK = 32_768
"""Sentences that are sorted by length, and embedded, together."""


@dataclass(frozen=True)
class EmbeddedText:
    """A side with its vectors.

    Attributes:
        text: the side as read [n rows].
        vectors: the vectors of its different sentences, in the order of their first rows; float16, memory-mapped [u, d].
        first: each vector's first row [u].
        vector_of: each row's vector [n]; -1 for rows without one.
        without_tokens: different sentences of which the model makes nothing.
        reused: whether the vectors were there already.
    """

    text: OwnText
    vectors: NDArray[np.float16]
    first: Rows
    vector_of: Rows
    without_tokens: int
    reused: bool


def embed_text(encoder: ModelEncoder, text: OwnText, folder: Path, name: str) -> EmbeddedText:
    """Embed the different sentences of a side into ``<folder>/<name>.npy``, or use what is there of an earlier call.

    Vectors are used again only if the encoder's identity and all rows' keys are the same; ``<name>.json`` says what
    made them, and ``<name>.rows.npy`` holds `EmbeddedText.first`. A sentence with a zero vector (of no tokens) gets none.

    Memory: one block of sentences with its vectors, and while duplicates are found about 200 bytes a row.

    Raises:
        InputError: if the model makes nothing of any sentence.
        UserError: if it gives vectors that are not finite.
    """
    first, group = distinct(text)
    paths = {part: folder / f"{name}{part}" for part in (".npy", ".rows.npy", ".json")}
    made_by = {
        "kind": "vectors of own text",
        "encoder": encoder.identity,
        "rows": len(text),
        "text": blake2b(text.keys.tobytes(), digest_size=16).hexdigest(),
    }
    reused = _is_there(paths[".json"], made_by)
    if not reused:
        folder.mkdir(parents=True, exist_ok=True)
        paths[".json"].unlink(missing_ok=True)  # first: it must never stand beside vectors of something else
        kept = _embed(encoder, text, first, paths[".npy"], f"embed {Path(text.source.path).name}")
        with atomic_file(paths[".rows.npy"]) as temporary, temporary.open("wb") as opened:
            np.save(opened, first[kept])
        write_text(paths[".json"], canonical_json(made_by) + "\n")
    rows = np.load(paths[".rows.npy"], allow_pickle=False)
    if len(rows) == 0:
        raise InputError(text.source.path, f"{encoder.identity['model']} makes no tokens of any sentence")
    place = np.full(len(first), -1, np.int64)
    place[np.searchsorted(first, rows)] = np.arange(len(rows))
    vector_of = np.where(group >= 0, place[group], -1)
    vectors = np.load(paths[".npy"], mmap_mode="r", allow_pickle=False)
    return EmbeddedText(text, vectors, rows, vector_of, len(first) - len(rows), reused)


def distinct(text: OwnText) -> tuple[Rows, Rows]:
    """The first row of each different sentence, ascending [u], and which of them each row is [n] (-1: not usable)."""
    usable = np.flatnonzero(text.usable)
    first, place = first_of_each(text.keys[usable])
    group = np.full(len(text), -1, np.int64)
    group[usable] = place
    return usable[first], group


def first_of_each(values: NDArray[Any]) -> tuple[Rows, Rows]:
    """Where each different value stands first, ascending [u], and which of these each value [n] is [n].

    >>> first, place = first_of_each(np.array([7, 3, 7, 5]))
    >>> first.tolist(), place.tolist()
    ([0, 1, 3], [0, 1, 0, 2])
    """
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse]


def _is_there(path: Path, made_by: dict[str, Any]) -> bool:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")) == json.loads(canonical_json(made_by)))
    except (OSError, ValueError):
        return False


def _embed(encoder: ModelEncoder, text: OwnText, rows: Rows, path: Path, label: str) -> NDArray[np.bool_]:
    """Write the vectors of some rows [u] that are not zero; which those are [u]."""
    kept, texts = np.zeros(len(rows), np.bool_), text.table.select(["text"])
    with (
        atomic_file(path) as temporary,
        temporary.open("wb") as opened,
        progress(label, len(rows), "sentences") as advance,
    ):
        _header(opened, len(rows), encoder.dimension)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            batch = encoder.tokenize(take_rows(texts, block).column("text").to_pylist())
            report = _InSentences(advance, len(block), int(batch.lengths.sum()))
            vectors = replace(encoder, advance=report).encode_tokens(batch)
            there = vectors.any(axis=1)
            opened.write(vectors[there].astype(np.float16).tobytes())
            kept[start : start + BLOCK] = there
            if report.done < len(block):
                advance(len(block) - report.done)
        opened.seek(0)
        _header(opened, int(kept.sum()), encoder.dimension)  # of the same size: NumPy leaves room for the row count
    return kept


def _header(opened: BinaryIO, rows: int, dimension: int) -> None:
    npy.write_array_header_1_0(opened, {"descr": "<f2", "fortran_order": False, "shape": (rows, dimension)})


class _InSentences:
    """Turns tokens done into sentences done."""

    def __init__(self, advance: Advance, sentences: int, tokens: int) -> None:
        self.advance, self.sentences, self.total = advance, sentences, max(tokens, 1)
        self.tokens = self.done = 0

    def __call__(self, tokens: int) -> None:
        self.tokens += tokens
        done = self.sentences * self.tokens // self.total
        self.advance(done - self.done)
        self.done = done
