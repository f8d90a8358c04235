"""Stages teach and embed: token ids to vectors, shard by shard, each unique sentence once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts.folders import shard_tokens
from pipeline.artifacts.shards import (
    Shard,
    fixed_list_array,
    iterate_shards,
    key_array,
    open_shard,
    shard_path,
    vector_schema,
    write_shard,
)
from pipeline.artifacts.tokens import TokenBatch
from pipeline.compute.work import Count, Crew, SetUp, Work
from pipeline.console.errors import ArtifactError
from pipeline.console.progress import progress
from pipeline.encoders.load import EncoderSettings, ModelEncoder, load_encoder
from pipeline.encoders.resolve import ModelFolder, resolve_model
from pipeline.ground.atomic import atomic_folder
from pipeline.store.local import VectorStore


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

    def add(self, other: EmbedCounts) -> None:
        """Count another part of the language as well."""
        self.sentences += other.sentences
        self.hits += other.hits
        self.misses += other.misses

    def metrics(self) -> dict[str, int]:
        """For metrics."""
        return asdict(self)


def vector_metadata(identity: Mapping[str, Any], language: str, artifact: str | None = None) -> dict[str, Any]:
    """The metadata of vectors: who made them, of which language they are, and where they belong (``teacher/fr``)."""
    made_by = {"kind": "vectors", "encoder": dict(identity), "language": language}
    return made_by if artifact is None else {**made_by, "artifact": artifact}


@dataclass(frozen=True)
class Embedder:
    """What a worker has.

    Attributes:
        encoder: what embeds.
        store: where vectors are looked up and kept; None embeds everything.
    """

    encoder: ModelEncoder
    store: VectorStore | None


@dataclass(frozen=True)
class EmbeddingModel:
    """What a worker loads: plain data, so that each finds the model on its own machine.

    Attributes:
        key: of params.yaml, for messages.
        model: see `pipeline.encoders.resolve.resolve_model`, as are ``revision``, ``root`` and ``sha256``.
        revision: of a hub model.
        root: the project's folder.
        settings: how it embeds.
        store: the store's folder; None for none.
        sha256: what its weights must have, if that is known.
    """

    key: str
    model: str
    revision: str | None
    root: Path
    settings: EncoderSettings
    store: Path | None
    sha256: str | None = None

    def resolve(self) -> ModelFolder:
        """Its folder on this machine.

        Raises:
            UserError: if it can't be had, or isn't what it should be.
        """
        return resolve_model(self.key, self.model, self.revision, self.root, self.sha256, self.store)

    def content(self) -> dict[str, Any]:
        """What of its identity this machine can tell without loading it."""
        return {"content": self.resolve().content}


@dataclass(frozen=True)
class FolderToEmbed:
    """A folder of token shards.

    Attributes:
        tokens: shards of token ids, made by the encoder's own tokenizer.
        out: the folder of vector shards of the same ranges; replaced as a whole.
        language: for the metadata.
        artifact: where the vectors belong, if they are an artifact (``teacher/fr``); for the metadata.
    """

    tokens: Path
    out: Path
    language: str
    artifact: str | None = None


@dataclass(frozen=True)
class ShardToEmbed:
    """One shard's work: plain data.

    Attributes:
        tokens: its token ids.
        out: its vectors.
        of: how many shards its folder has.
        folder: what its folder's metadata say.
    """

    tokens: Path
    out: Path
    of: int
    folder: FolderToEmbed


def load_embedder(model: EmbeddingModel) -> SetUp[Embedder]:
    """Load a model and open the store; the set-up of `embed_shard`."""
    encoder = load_encoder(model.resolve(), model.settings)
    store = None if model.store is None else VectorStore(model.store, encoder.identity, encoder.dimension)
    return SetUp(Embedder(encoder, store), encoder.identity)


def embed_shard(embedder: Embedder, item: ShardToEmbed, advance: Count) -> EmbedCounts:
    """Embed one shard and write its vectors; what is new is in the store when this returns.

    Holds the tokens and vectors of one shard in memory, beside the model and one batch of activations: for 65,536
    sentences of 20 tokens and 384 dimensions 5 MB and 50 MB (float16), and as much again while it is written.

    Raises:
        ArtifactError: if the tokens are damaged, or another tokenizer's.
    """
    encoder, store = replace(embedder.encoder, advance=advance), embedder.store
    shard = open_shard(item.tokens)
    _same_tokenizer(shard, encoder)
    vectors, found = _stored(store, shard, encoder.dimension)
    tokens = shard_tokens(shard)
    advance(int(tokens.lengths[found].sum()))
    missing = np.flatnonzero(~found)
    if len(missing):
        batch: TokenBatch = tokens.select(missing)
        vectors[missing] = encoder.encode_tokens(batch).astype(np.float16)
        if store is not None:
            store.add(shard.keys[missing], vectors[missing])
    columns = [key_array(shard.keys), fixed_list_array(vectors, pa.float16())]
    table = pa.Table.from_arrays(columns, schema=vector_schema(encoder.dimension))
    metadata = vector_metadata(encoder.identity, item.folder.language, item.folder.artifact)
    write_shard(item.out, table, metadata, item.of)
    return EmbedCounts(len(shard), len(shard) - len(missing), len(missing))


def embedding_work(label: str, model: EmbeddingModel) -> Work[Embedder, ShardToEmbed, EmbedCounts]:
    """Embedding as work for an engine."""
    return Work(label, load_embedder, (model,), embed_shard)


def embed_folders(
    crew: Crew[ShardToEmbed, EmbedCounts], folders: Sequence[FolderToEmbed], label: str
) -> list[EmbedCounts]:
    """Embed every shard of folders of tokens, and count by folder.

    A shard's new vectors are in the store before its worker begins another, so a killed run redoes at most one shard of each
    worker. The folders are replaced together, when all are done. Holds nothing but counts; see `embed_shard` for the workers.

    Args:
        crew: who embeds.
        folders: what, and where to.
        label: what progress calls it.

    Raises:
        ArtifactError: if the tokens are damaged, or another tokenizer's.
    """
    counts = [EmbedCounts() for _ in folders]
    items: list[ShardToEmbed] = []
    owners: list[EmbedCounts] = []
    total = 0
    with ExitStack() as stack:
        for folder, count in zip(folders, counts, strict=True):
            made = stack.enter_context(atomic_folder(folder.out))
            shards = list(iterate_shards(folder.tokens, check=False))  # their workers check the bytes
            total += sum(len(shard_tokens(shard).tokens) for shard in shards)
            for index, shard in enumerate(shards):
                items.append(ShardToEmbed(shard.path, shard_path(made, index), len(shards), folder))
                owners.append(count)
        advance = stack.enter_context(progress(label, total, "tokens"))
        for owner, done in zip(owners, crew.map(items, advance), strict=True):
            owner.add(done)
    return counts


def _stored(store: VectorStore | None, shard: Shard, dimension: int) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
    if store is None:
        return np.zeros((len(shard), dimension), dtype=np.float16), np.zeros(len(shard), dtype=np.bool_)
    return store.lookup(shard.keys)


def _same_tokenizer(shard: Shard, encoder: ModelEncoder) -> None:
    found, expected = shard.made_by.get("tokenizer"), encoder.tokenizer.content
    if found != expected:
        raise ArtifactError(shard.path, f"tokens of tokenizer {found}, expected {expected}; run stage tokenize again")
