"""Stage tokenize: sentences to token ids, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.artifacts import (
    TOKENS,
    Shard,
    iterate_shards,
    key_array,
    open_shard,
    shard_path,
    shard_paths,
    write_shard,
)
from pipeline.atomic import atomic_folder
from pipeline.encoders.base import TokenBatch
from pipeline.encoders.tokenization import TextTokenizer
from pipeline.progress import progress

CHUNK = 8_192
"""Sentences tokenized at once; bounds the memory of the library's encodings."""


@dataclass
class TokenCounts:
    """What tokenization did to one language.

    Attributes:
        sentences: how many.
        tokens: how many, special tokens included.
        truncated: sentences that fill the maximum length (and so may have been cut).
        unknown: tokens that are the unknown token.
    """

    sentences: int = 0
    tokens: int = 0
    truncated: int = 0
    unknown: int = 0

    def metrics(self) -> dict[str, int | float]:
        """For metrics: the counts, and the unknown tokens as a share."""
        counts: dict[str, int | float] = asdict(self)
        counts["unknown_share"] = round(counts.pop("unknown") / max(self.tokens, 1), 6)
        return counts


def tokenize_folder(
    tokenizer: TextTokenizer, sentences: Path, out: Path, made_by: Mapping[str, Any], label: str
) -> TokenCounts:
    """Tokenize every shard of a folder into a folder of shards of the same ranges.

    Holds one shard of text and its tokens in memory.

    Args:
        tokenizer: what tokenizes.
        sentences: shards with the columns ``id`` and ``text``.
        out: replaced as a whole.
        made_by: metadata of the shards; the tokenizer's content hash is added.
        label: what progress calls it.
    """
    counts = TokenCounts()
    paths = shard_paths(sentences)
    total = sum(len(open_shard(path)) for path in paths)
    metadata = {**made_by, "kind": "tokens", "tokenizer": tokenizer.content, "max_length": tokenizer.max_length}
    with atomic_folder(out) as folder, progress(label, total, "sentences") as advance:
        for index, path in enumerate(paths):
            shard = open_shard(path)
            batches = []
            for chunk in _text_chunks(shard):
                batches.append(tokenizer(chunk))
                advance(len(chunk))
            batch = join(batches)
            _count(counts, batch, tokenizer)
            write_shard(shard_path(folder, index), tokens_table(shard, batch), metadata)
    return counts


def join(batches: list[TokenBatch]) -> TokenBatch:
    """Token batches end to end."""
    if not batches:
        return TokenBatch(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64))
    return TokenBatch(
        np.concatenate([batch.tokens for batch in batches]), np.concatenate([batch.lengths for batch in batches])
    )


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


def _text_chunks(shard: Shard) -> Iterator[list[str]]:
    column = shard.table.column("text")
    for start in range(0, len(column), CHUNK):
        yield column.slice(start, CHUNK).to_pylist()


def _count(counts: TokenCounts, batch: TokenBatch, tokenizer: TextTokenizer) -> None:
    counts.sentences += len(batch)
    counts.tokens += len(batch.tokens)
    counts.truncated += int(np.count_nonzero(batch.lengths >= tokenizer.max_length))
    if tokenizer.unknown is not None:
        counts.unknown += int(pc.sum(pc.equal(pa.array(batch.tokens), tokenizer.unknown)).as_py() or 0)
