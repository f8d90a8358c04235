"""Stages teach and embed: token ids to vectors, shard by shard, each unique sentence once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.artifacts.folders import shard_tokens
from pipeline.artifacts.shards import fixed_list_array, key_array, open_shard, vector_schema, write_shard
from pipeline.compute.work import Count, Crew, SetUp, Work
from pipeline.console.errors import ArtifactError, UserError
from pipeline.embedding.folders import FolderShard, ShardCounts, ShardFolder, work_through
from pipeline.encoders.identity import EncoderSettings, identity_without_loading
from pipeline.encoders.resolve import ModelFolder, resolve_model
from pipeline.store.local import VectorStore, stored_identity

if TYPE_CHECKING:
    from pipeline.encoders.load import ModelEncoder


@dataclass
class EmbedCounts(ShardCounts):
    """What embedding one language took."""

    sentences: int = 0  # how many vectors were written
    hits: int = 0  # how many of these the store had
    misses: int = 0  # how many of these went through the model

    def metrics(self) -> dict[str, int]:
        """The counts by name, for metrics."""
        return asdict(self)


def vector_metadata(identity: Mapping[str, Any], language: str, artifact: str | None = None) -> dict[str, Any]:
    """The metadata of vectors: who made them, of which language they are, and where they belong (``teacher/fr``)."""
    made_by = {"kind": "vectors", "encoder": dict(identity), "language": language}
    return made_by if artifact is None else {**made_by, "artifact": artifact}


@dataclass(frozen=True)
class Embedder:
    """What a worker has: the model is loaded for the first sentence of which the store has no vector."""

    identity: Mapping[str, Any]  # the encoder's
    store: VectorStore | None  # where vectors are looked up and kept; None embeds everything
    load: Callable[[], ModelEncoder]

    @cached_property
    def encoder(self) -> ModelEncoder:
        """The encoder, loaded.

        Raises:
            UserError: if it can't be loaded, or is another one by now.
        """
        encoder = self.load()
        if encoder.identity != self.identity:
            name = self.identity["model"]
            raise UserError(f"{name}: its files or the packages that compute it have changed meanwhile; run again")
        return encoder


@dataclass(frozen=True)
class EmbeddingModel:
    """What a worker loads: plain data, so that each finds the model on its own machine; see `resolve_model`."""

    key: str  # the key in params.yaml that names the model, for messages
    model: str  # a folder, a package's model or a hub name
    revision: str | None  # the revision of a hub name
    root: Path  # the project's folder
    settings: EncoderSettings
    store: Path | None  # the store's folder; None for no store
    sha256: str | None = None  # what the digest of the weights must be, if that is known

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
class FolderToEmbed(ShardFolder):
    """A folder of token shards, made by the encoder's own tokenizer, to become one of vector shards."""

    language: str  # the sentences' language, for the metadata
    artifact: str | None = None  # where the vectors belong, if they are an artifact (``teacher/fr``); for the metadata


def load_embedder(model: EmbeddingModel) -> SetUp[Embedder]:
    """Open the store, and load the model unless the store knows its identity; the set-up of `embed_shard`."""
    source = model.resolve()

    def load() -> ModelEncoder:
        from pipeline.encoders.load import load_encoder  # imports torch

        return load_encoder(source, model.settings)

    told = None if model.store is None else identity_without_loading(source, model.settings)
    identity = None if model.store is None or told is None else stored_identity(model.store, told)
    if identity is None:
        encoder = load()
        identity, load = encoder.identity, lambda: encoder
    store = None if model.store is None else VectorStore(model.store, identity, identity["dimension"])
    return SetUp(Embedder(identity, store, load), identity)


def embed_shard(embedder: Embedder, item: FolderShard[FolderToEmbed], advance: Count) -> EmbedCounts:
    """Embed one shard and write its vectors; what is new is in the store when this returns.

    Holds the tokens and vectors of one shard in memory, beside the model and what `embed` holds: for 65,536
    sentences of 20 tokens and 384 dimensions 5 MB and 50 MB (float16), and as much again while it is written.

    Raises:
        ArtifactError: if the tokens are damaged, or another tokenizer's.
    """
    # What the store has, then what it lacks: embedded, and kept before the shard is written.
    identity, store = embedder.identity, embedder.store
    shard = open_shard(item.source)
    if (made_by := shard.made_by.get("tokenizer")) != (own := identity["tokenizer"]):
        raise ArtifactError(shard.path, f"tokens of tokenizer {made_by}, expected {own}; run stage tokenize again")
    if store is None:
        vectors, found = np.zeros((len(shard), identity["dimension"]), np.float16), np.zeros(len(shard), np.bool_)
    else:
        vectors, found = store.lookup(shard.keys)
    tokens = shard_tokens(shard)
    advance(int(tokens.lengths[found].sum()))
    missing = np.flatnonzero(~found)
    if len(missing):
        encoder = replace(embedder.encoder, advance=advance)
        vectors[missing] = encoder.encode_tokens(tokens.select(missing)).astype(np.float16)
        if store is not None:
            store.add(shard.keys[missing], vectors[missing])
    columns = [key_array(shard.keys), fixed_list_array(vectors, pa.float16())]
    table = pa.Table.from_arrays(columns, schema=vector_schema(identity["dimension"]))
    metadata = vector_metadata(identity, item.folder.language, item.folder.artifact)
    write_shard(item.out, table, metadata, item.of)
    return EmbedCounts(len(shard), len(shard) - len(missing), len(missing))


def embedding_work(label: str, model: EmbeddingModel) -> Work[Embedder, FolderShard[FolderToEmbed], EmbedCounts]:
    """Embedding as work for an engine."""
    return Work(label, load_embedder, (model,), embed_shard)


def embed_folders(
    crew: Crew[FolderShard[FolderToEmbed], EmbedCounts], folders: Sequence[FolderToEmbed], label: str
) -> list[EmbedCounts]:
    """Embed every shard of folders of tokens, and count by folder; progress calls it ``label``.

    A shard's new vectors are in the store before its worker begins another, so a killed run redoes at most one shard of each
    worker. The folders are replaced together, when all are done. Holds nothing but counts; see `embed_shard` for the workers.

    Raises:
        ArtifactError: if the tokens are damaged, or another tokenizer's.
    """
    return work_through(crew, folders, EmbedCounts, lambda shard: len(shard_tokens(shard).tokens), label, "tokens")
