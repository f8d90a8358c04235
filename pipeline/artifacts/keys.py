"""Keys of whole columns."""

from __future__ import annotations

import polars as pl

from pipeline.ground.hashing import pair_key, text_key


def text_keys(texts: pl.Series) -> pl.Series:
    """`pipeline.ground.hashing.text_key` of each text, as binary [n]."""
    return pl.Series(map(text_key, texts.to_list()), dtype=pl.Binary)


def pair_keys(first: pl.Series, second: pl.Series) -> pl.Series:
    """`pipeline.ground.hashing.pair_key` of each two keys, as binary [n]."""
    return pl.Series(map(pair_key, first.to_list(), second.to_list()), dtype=pl.Binary)


def top_bits(column: str) -> pl.Expr:
    """The first 8 bytes of a column of keys as UInt64: keys in order have these in order."""
    return pl.col(column).bin.slice(0, 8).bin.reinterpret(dtype=pl.UInt64, endianness="big")


def fractions(column: str) -> pl.Expr:
    """`pipeline.ground.hashing.fraction` of a column of keys."""
    return (top_bits(column) // (1 << 8)).cast(pl.Float64) / 2**56
