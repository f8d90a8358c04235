"""Stage tokenize: sentences to token ids, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.artifacts.shards import TOKENS, Shard, iterate_shards, key_array, open_shard, write_shard
from pipeline.artifacts.tokens import TokenBatch
from pipeline.compute.work import Count, Crew, SetUp, Work
from pipeline.console.progress import progress
from pipeline.embedding.folders import FolderShard, ShardCounts, ShardFolder, work_through
from pipeline.encoders.tokenization import TextTokenizer

CHUNK = 8_192
"""Sentences tokenized at once; bounds the memory of the library's encodings."""


@dataclass
class TokenCounts(ShardCounts):
    """What tokenization did to one language."""

    sentences: int = 0
    tokens: int = 0  # tokens of all sentences, special ones included
    truncated: int = 0  # sentences that fill the maximum length (and so may have been cut)
    unknown: int = 0  # tokens that are the unknown token

    def metrics(self) -> dict[str, int | float]:
        """The counts by name, for metrics; of the unknown tokens, their share."""
        counts: dict[str, int | float] = asdict(self)
        counts["unknown_share"] = round(counts.pop("unknown") / max(self.tokens, 1), 6)
        return counts


@dataclass(frozen=True)
class FolderToTokenize(ShardFolder):
    """A folder of sentences, shards with the columns ``id`` and ``text``, to become one of token shards."""

    tokenizer: str  # the name of the folder's tokenizer among the worker's
    made_by: Mapping[str, Any]  # metadata of the shards; the tokenizer's content hash is added


def load_tokenizers(tokenizers: Mapping[str, TextTokenizer]) -> SetUp[Mapping[str, TextTokenizer]]:
    """Tokenizers by name, which a worker is sent whole; the set-up of `tokenize_shard`."""
    return SetUp(tokenizers, {name: tokenizer.content for name, tokenizer in tokenizers.items()})


def tokenize_shard(
    tokenizers: Mapping[str, TextTokenizer], item: FolderShard[FolderToTokenize], advance: Count
) -> TokenCounts:
    """Tokenize one shard and write its tokens; holds the shard's text and tokens in memory.

    For 65,536 sentences of 100 bytes and 25 tokens that is 7 MB each, and up to 60 MB for `CHUNK` of the library's encodings.
    """
    tokenizer = tokenizers[item.folder.tokenizer]
    shard = open_shard(item.source)
    batches = []
    for chunk in _text_chunks(shard):
        batches.append(tokenizer(chunk))
        advance(len(chunk))
    batch = TokenBatch.joined(batches)
    about = {"kind": "tokens", "tokenizer": tokenizer.content, "max_length": tokenizer.max_length}
    write_shard(item.out, tokens_table(shard, batch), {**item.folder.made_by, **about}, item.of)
    return _counted(batch, tokenizer)


def tokenizing_work(
    tokenizers: Mapping[str, TextTokenizer],
) -> Work[Mapping[str, TextTokenizer], FolderShard[FolderToTokenize], TokenCounts]:
    """Tokenization as work for an engine."""
    return Work("tokenize", load_tokenizers, (tokenizers,), tokenize_shard)


def tokenize_folders(
    crew: Crew[FolderShard[FolderToTokenize], TokenCounts], folders: Sequence[FolderToTokenize], label: str
) -> list[TokenCounts]:
    """Tokenize every shard of folders, and count by folder; progress calls it ``label``.

    The folders are replaced together, when all are done. Holds nothing but counts; see `tokenize_shard` for the workers.
    """
    return work_through(crew, folders, TokenCounts, len, label, "sentences")


def tokens_table(shard: Shard, batch: TokenBatch) -> pa.Table:
    """The tokens of a shard's sentences as a table."""
    offsets = pa.array(np.concatenate([[0], np.cumsum(batch.lengths)]).astype(np.int32))
    lists = pa.ListArray.from_arrays(offsets, pa.array(batch.tokens), type=TOKENS.field("tokens").type)
    return pa.Table.from_arrays([key_array(shard.keys), lists], schema=TOKENS)


def training_texts(folders: list[Path], per_language: int) -> Iterator[str]:
    """Sentences that a tokenizer is trained on: the first ``per_language`` of each folder.

    Keys are hashes, so the first ones are a uniform sample, and the same one every time.
    """
    for folder in folders:
        left = per_language
        for shard in iterate_shards(folder):
            texts = shard.table.column("text").slice(0, left).to_pylist()
            yield from texts
            left -= len(texts)
            if left <= 0:
                break


def text_chunks(folder: Path, label: str) -> Iterator[list[str]]:
    """All sentences of a folder, `CHUNK` at a time, with progress under a label."""
    shards = list(iterate_shards(folder))
    with progress(label, sum(map(len, shards)), "sentences") as advance:
        for shard in shards:
            for chunk in _text_chunks(shard):
                yield chunk
                advance(len(chunk))


def _text_chunks(shard: Shard) -> Iterator[list[str]]:
    column = shard.table.column("text")
    for start in range(0, len(column), CHUNK):
        yield column.slice(start, CHUNK).to_pylist()


def _counted(batch: TokenBatch, tokenizer: TextTokenizer) -> TokenCounts:
    truncated = int(np.count_nonzero(batch.lengths >= tokenizer.max_length))
    unknown = 0
    if tokenizer.unknown is not None:
        unknown = int(pc.sum(pc.equal(pa.array(batch.tokens), tokenizer.unknown)).as_py() or 0)
    return TokenCounts(len(batch), len(batch.tokens), truncated, unknown)
