"""Vectors of a benchmark's sentences, each different one embedded once, and kept in the vector store if there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.console.errors import UserError
from pipeline.console.progress import Advance
from pipeline.encoders.base import Encoder
from pipeline.encoders.tokenization import TextTokenizer, unknown_share
from pipeline.ground.hashing import Keys, as_keys, locate, text_key
from pipeline.store.local import VectorStore

Encode = Callable[[list[str]], NDArray[np.floating]]
"""Sentences to vectors [n, d], of any length; a zero vector means that the model makes nothing of a sentence."""

BLOCK = 4_096
"""Sentences that are embedded between two writes to the store."""


@dataclass(frozen=True)
class MeasuredModel:
    """Whatever turns sentences into vectors, as evaluation sees it."""

    name: str  # what results call it
    encode: Encode  # from sentences to their vectors
    # everything that a vector depends on besides the text, as JSON values
    identity: Mapping[str, Any] = field(default_factory=dict)
    dimension: int | None = None  # numbers in a vector; without it vectors are not kept in the store
    tokenizer: TextTokenizer | None = None  # to count unknown tokens, if it has one that we know


def as_model(name: str, encode: Encoder | Encode | MeasuredModel) -> MeasuredModel:
    """An encoder, or a plain function, as a `MeasuredModel`."""
    if isinstance(encode, MeasuredModel):
        return encode
    if not callable(encode):
        encoder = encode

        def of_texts(texts: list[str]) -> NDArray[np.floating]:
            return encoder.encode_tokens(encoder.tokenize(texts))

        tokenizer = getattr(encoder, "tokenizer", None)
        return MeasuredModel(name, of_texts, encoder.identity, encoder.dimension, tokenizer)
    return MeasuredModel(name, encode, {"function": name})


@dataclass(frozen=True)
class Embedded:
    """Vectors by text."""

    keys: Keys  # the texts' keys, sorted [u]
    vectors: NDArray[np.floating]  # L2-normalised or zero [u, d], float16 if they come from a store, else float32

    def rows(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """The row of each text [n]; -1 for one that was not embedded."""
        return locate(self.keys, as_keys([text_key(text) for text in texts]))

    def unit(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors [n, d] of texts, normalised (half precision costs up to 6e-5); zero where the model made nothing."""
        return _normalised(self.vectors[self.rows(texts)].astype(np.float32))


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.maximum(norms, np.float32(1e-12))
    return unit


def embed_texts(
    model: MeasuredModel, texts: Sequence[str], store: Path | None = None, advance: Advance | None = None
) -> Embedded:
    """Embed different texts, or take from the store what it has of them. Holds all their vectors in memory.

    With a store, vectors are rounded to half precision whether they were there or not: a second run gives the same
    scores as the first.

    Args:
        model: the model that embeds.
        texts: sentences; copies are embedded once.
        store: the vector store's folder; None to keep nothing.
        advance: called with the number of texts done.

    Raises:
        UserError: if the model gives vectors of a wrong shape, or not finite.
    """
    by_key = {text_key(text): text for text in texts}
    keys = as_keys(sorted(by_key))
    kept = VectorStore(store, model.identity, model.dimension) if store is not None and model.dimension else None
    parts: list[NDArray[np.floating]] = []
    for start in range(0, len(keys), BLOCK):
        # What the store has of a block, then the model for what is missing.
        block = keys[start : start + BLOCK]
        found = np.zeros(len(block), dtype=np.bool_)
        vectors: NDArray[np.floating] | None = None
        if kept is not None:
            vectors, found = kept.lookup(block)
        missing = np.flatnonzero(~found)
        if len(missing):
            new = _encode(model, [by_key[block[row].ljust(16, b"\0")] for row in missing])
            if kept is not None and vectors is not None:
                vectors[missing] = new.astype(np.float16)
                kept.add(block[missing], vectors[missing])
            else:
                vectors = new
        if vectors is not None:
            parts.append(vectors)
        if advance is not None:
            advance(len(block))
    if len({part.shape[1] for part in parts}) > 1:
        raise UserError(f"{model.name}: gives vectors of {parts[0].shape[1]} and of {parts[-1].shape[1]} dimensions")
    return Embedded(keys, np.concatenate(parts) if parts else np.empty((0, 1), dtype=np.float32))


def _encode(model: MeasuredModel, texts: list[str]) -> NDArray[np.float32]:
    try:
        vectors = np.asarray(model.encode(texts), dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(f"{model.name}: could not embed: {str(error).splitlines()[0]}") from error
    if vectors.ndim != 2 or len(vectors) != len(texts) or vectors.shape[1] == 0:
        raise UserError(
            f"{model.name}: gave vectors of shape {vectors.shape} for {len(texts)} sentences; expected [n, d]"
        )
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise UserError(f"{model.name}: gave a vector that is not finite (NaN or infinite) for {texts[row][:60]!r}")
    return _normalised(vectors)


def unknown_shares(model: MeasuredModel, by_language: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Of each language's tokens, the share that the model's tokenizer does not know; empty if it has none that we know."""
    if model.tokenizer is None:
        return {}
    tokenizer = model.tokenizer
    return {
        language: unknown_share(tokenizer(texts), tokenizer.unknown) for language, texts in sorted(by_language.items())
    }
