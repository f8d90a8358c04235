"""Stages teach and embed: token ids to vectors, shard by shard, each unique sentence once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts import (
    Shard,
    fixed_list_array,
    key_array,
    open_shard,
    shard_path,
    shard_paths,
    vector_schema,
    write_shard,
)
from pipeline.atomic import atomic_folder
from pipeline.encoders.base import TokenBatch
from pipeline.encoders.load import ModelEncoder
from pipeline.errors import ArtifactError
from pipeline.folders import shard_tokens
from pipeline.progress import progress
from pipeline.store import VectorStore


@dataclass
class EmbedCounts:
    """What embedding one language took.

    Attributes:
        sentences: how many vectors were written.
        hits: of these, how many the store had.
        misses: how many went through the model.
    """

    sentences: int = 0
    hits: int = 0
    misses: int = 0

    def metrics(self) -> dict[str, int]:
        """For metrics."""
        return asdict(self)


def vector_metadata(identity: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The metadata of vectors: who made them, and of which language they are."""
    return {"kind": "vectors", "encoder": dict(identity), "language": language}


def embed_folder(
    encoder: ModelEncoder, tokens: Path, out: Path, language: str, store: VectorStore | None, label: str
) -> EmbedCounts:
    """Embed every shard of tokens into a folder of vector shards of the same ranges.

    A shard's new vectors are in the store before the next shard begins, so a killed run redoes at most one shard.
    Holds one shard of tokens and vectors in memory.

    Args:
        encoder: what embeds.
        tokens: shards of token ids, made by the encoder's own tokenizer.
        out: replaced as a whole.
        language: for the metadata.
        store: where vectors are looked up and kept; None embeds everything.
        label: what progress calls it.

    Raises:
        ArtifactError: if the tokens are another tokenizer's.
    """
    counts = EmbedCounts()
    paths = shard_paths(tokens)
    total = sum(len(shard_tokens(open_shard(path)).tokens) for path in paths)
    metadata = vector_metadata(encoder.identity, language)
    schema = vector_schema(encoder.dimension)
    with atomic_folder(out) as folder, progress(label, total, "tokens") as advance:
        reporting = replace(encoder, advance=advance)
        for index, path in enumerate(paths):
            shard = open_shard(path)
            _same_tokenizer(shard, encoder)
            vectors, found = _stored(store, shard, encoder.dimension)
            tokens_of = shard_tokens(shard)
            advance(int(tokens_of.lengths[found].sum()))
            missing = np.flatnonzero(~found)
            if len(missing):
                batch: TokenBatch = tokens_of.select(missing)
                vectors[missing] = reporting.encode_tokens(batch).astype(np.float16)
                if store is not None:
                    store.add(shard.keys[missing], vectors[missing])
            counts.sentences += len(shard)
            counts.misses += len(missing)
            counts.hits += len(shard) - len(missing)
            columns = [key_array(shard.keys), fixed_list_array(vectors, pa.float16())]
            write_shard(shard_path(folder, index), pa.Table.from_arrays(columns, schema=schema), metadata)
    return counts


def _stored(store: VectorStore | None, shard: Shard, dimension: int) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
    if store is None:
        return np.zeros((len(shard), dimension), dtype=np.float16), np.zeros(len(shard), dtype=np.bool_)
    return store.lookup(shard.keys)


def _same_tokenizer(shard: Shard, encoder: ModelEncoder) -> None:
    found, expected = shard.made_by.get("tokenizer"), encoder.tokenizer.content
    if found != expected:
        raise ArtifactError(shard.path, f"tokens of tokenizer {found}, expected {expected}; run stage tokenize again")
