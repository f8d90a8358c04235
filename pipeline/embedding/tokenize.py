"""Stage tokenize: sentences to token ids, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer

from pipeline.artifacts.shards import (
    TOKENS,
    Shard,
    iterate_shards,
    key_array,
    open_shard,
    shard_path,
    write_shard,
)
from pipeline.artifacts.tokens import TokenBatch
from pipeline.compute.work import Count, Crew, SetUp, Work
from pipeline.console.progress import progress
from pipeline.encoders.tokenization import TextTokenizer
from pipeline.ground.atomic import atomic_folder

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

    def add(self, other: TokenCounts) -> None:
        """Count another part of the language as well."""
        self.sentences += other.sentences
        self.tokens += other.tokens
        self.truncated += other.truncated
        self.unknown += other.unknown

    def metrics(self) -> dict[str, int | float]:
        """For metrics: the counts, and the unknown tokens as a share."""
        counts: dict[str, int | float] = asdict(self)
        counts["unknown_share"] = round(counts.pop("unknown") / max(self.tokens, 1), 6)
        return counts


@dataclass(frozen=True)
class TokenizerCopy:
    """A tokenizer as plain data: workers need no file of it.

    Attributes:
        json: as the `tokenizers` library writes it.
        prefix: see `TextTokenizer`, as are ``max_length`` and ``special_tokens``.
        max_length: tokens kept.
        special_tokens: whether sentences are wrapped.
    """

    json: str
    prefix: str
    max_length: int
    special_tokens: bool

    @classmethod
    def of(cls, tokenizer: TextTokenizer) -> TokenizerCopy:
        """A copy of a tokenizer."""
        return cls(tokenizer.backend.to_str(), tokenizer.prefix, tokenizer.max_length, tokenizer.special_tokens)

    def tokenizer(self) -> TextTokenizer:
        """The same tokenizer again."""
        return TextTokenizer(Tokenizer.from_str(self.json), self.prefix, self.max_length, self.special_tokens)


@dataclass(frozen=True)
class FolderToTokenize:
    """A folder of sentences.

    Attributes:
        tokenizer: the name of its tokenizer among the worker's.
        sentences: shards with the columns ``id`` and ``text``.
        out: the folder of token shards of the same ranges; replaced as a whole.
        made_by: metadata of the shards; the tokenizer's content hash is added.
    """

    tokenizer: str
    sentences: Path
    out: Path
    made_by: Mapping[str, Any]


@dataclass(frozen=True)
class ShardToTokenize:
    """One shard's work: plain data.

    Attributes:
        sentences: its sentences.
        out: its tokens.
        of: how many shards its folder has.
        folder: its folder's.
    """

    sentences: Path
    out: Path
    of: int
    folder: FolderToTokenize


def load_tokenizers(copies: Mapping[str, TokenizerCopy]) -> SetUp[Mapping[str, TextTokenizer]]:
    """Tokenizers by name; the set-up of `tokenize_shard`."""
    tokenizers = {name: copied.tokenizer() for name, copied in copies.items()}
    return SetUp(tokenizers, {name: tokenizer.content for name, tokenizer in tokenizers.items()})


def tokenize_shard(tokenizers: Mapping[str, TextTokenizer], item: ShardToTokenize, advance: Count) -> TokenCounts:
    """Tokenize one shard and write its tokens; holds the shard's text and tokens in memory.

    For 65,536 sentences of 100 bytes and 25 tokens that is 7 MB each, and up to 60 MB for `CHUNK` of the library's encodings.
    """
    tokenizer = tokenizers[item.folder.tokenizer]
    shard = open_shard(item.sentences)
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
) -> Work[Mapping[str, TextTokenizer], ShardToTokenize, TokenCounts]:
    """Tokenization as work for an engine."""
    copies = {name: TokenizerCopy.of(tokenizer) for name, tokenizer in tokenizers.items()}
    return Work("tokenize", load_tokenizers, (copies,), tokenize_shard)


def tokenize_folders(
    crew: Crew[ShardToTokenize, TokenCounts], folders: Sequence[FolderToTokenize], label: str
) -> list[TokenCounts]:
    """Tokenize every shard of folders, and count by folder.

    The folders are replaced together, when all are done. Holds nothing but counts; see `tokenize_shard` for the workers.

    Args:
        crew: who tokenizes.
        folders: what, and where to.
        label: what progress calls it.
    """
    counts = [TokenCounts() for _ in folders]
    items: list[ShardToTokenize] = []
    owners: list[TokenCounts] = []
    total = 0
    with ExitStack() as stack:
        for folder, count in zip(folders, counts, strict=True):
            made = stack.enter_context(atomic_folder(folder.out))
            shards = list(iterate_shards(folder.sentences, check=False))  # their workers check the bytes
            total += sum(map(len, shards))
            for index, shard in enumerate(shards):
                items.append(ShardToTokenize(shard.path, shard_path(made, index), len(shards), folder))
                owners.append(count)
        advance = stack.enter_context(progress(label, total, "sentences"))
        for owner, done in zip(owners, crew.map(items, advance), strict=True):
            owner.add(done)
    return counts


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
