"""MinHash: sentences that are nearly the same, without comparing each with each.

A text's set of character 5-grams is summed up by the minimum of each of n hash functions (Broder 1997); the share of equal
minima estimates the Jaccard similarity of two sets with a standard error of at most 1/(2√n). Bands of minima
(locality-sensitive hashing) make only texts meet that agree in a whole band. All of it is vectorised over a column: 64
functions take about 12 µs a sentence, less than Python needs to cut one into 5-grams for a library.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

GRAM = 5
CAUGHT = 0.95
"""Bands are chosen so that a pair at the threshold meets with at least this probability."""

SLICE = 2_000_000
"""Grams hashed at a time: a few MB for each hash function."""

Signatures = NDArray[np.uint32]


def signatures(texts: pl.Series, permutations: int) -> Signatures:
    """The MinHash values [n, permutations] of normal forms [n]; one shorter than 5 characters is one gram."""
    codes, starts = _codes(texts)
    out = np.empty((len(texts), permutations), dtype=np.uint32)
    begin = 0
    while begin < len(texts):
        end = int(np.searchsorted(starts, starts[begin] + SLICE, side="right")) - 1
        end = min(max(end, begin + 1), len(texts))
        part = codes[starts[begin] : starts[end]]
        out[begin:end] = _minima(part, starts[begin : end + 1] - starts[begin], permutations)
        begin = end
    return out


def _codes(texts: pl.Series) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Code points of all texts in a row, each padded to at least one gram, and where each begins [n + 1]."""
    padded = texts.str.pad_end(GRAM, "\0")
    lengths = padded.str.len_chars().to_numpy().astype(np.int64)
    codes = np.frombuffer("".join(padded.to_list()).encode("utf-32-le"), dtype=np.uint32)
    return codes, np.concatenate([[0], np.cumsum(lengths)])


def _minima(codes: NDArray[np.uint32], starts: NDArray[np.int64], permutations: int) -> Signatures:
    """The least hash of each text's grams, by function [n, permutations].

    Args:
        codes: the code points of n texts in a row.
        starts: where each text begins in them, and the end [n + 1].
        permutations: how many hash functions there are.
    """
    # Every window of five code points becomes one number, also those that reach from one text into the next.
    grams = np.zeros(len(codes) - GRAM + 1, dtype=np.uint64)
    for offset in range(GRAM):
        grams = grams * np.uint64(0x9E3779B97F4A7C15) + codes[offset : offset + len(grams)]
        grams ^= grams >> np.uint64(29)
    inside = np.ones(len(grams), dtype=np.bool_)
    for back in range(1, GRAM):  # a gram that begins so close to an end reaches into the next text
        ends = starts[1:-1] - back
        inside[ends] = False
    # Where each text's own grams begin once those are gone; `reduceat` takes the least from one beginning to the next.
    counts = np.diff(starts) - GRAM + 1
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    grams = grams[inside]
    out = np.empty((len(starts) - 1, permutations), dtype=np.uint32)
    for number, (factor, shift) in enumerate(_functions(permutations)):
        hashed = ((grams * factor + shift) >> np.uint64(32)).astype(np.uint32)
        out[:, number] = np.minimum.reduceat(hashed, firsts)
    return out


@cache
def _functions(permutations: int) -> list[tuple[np.uint64, np.uint64]]:
    generator = np.random.default_rng(0x50F7A119)
    factors = generator.integers(1, 1 << 63, size=permutations, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    shifts = generator.integers(0, 1 << 63, size=permutations, dtype=np.uint64)
    return list(zip(factors, shifts, strict=True))


def similarity(first: Signatures, second: Signatures) -> NDArray[np.float64]:
    """The estimated Jaccard similarity [n] of texts row by row, from their signatures [n, permutations]."""
    same: NDArray[np.float64] = (first == second).mean(axis=1)
    return same


def band_rows(threshold: float, permutations: int) -> int:
    """How many minima make a band: as many as still let `CAUGHT` of the pairs at the threshold meet."""
    best = 1
    for rows in range(1, permutations + 1):
        bands = permutations // rows
        if 1 - (1 - threshold**rows) ** bands >= CAUGHT:
            best = rows
    return best


def band_hashes(values: Signatures, rows: int) -> NDArray[np.uint64]:
    """A hash [n, bands] of each band; bands at different places never have the same."""
    bands = values.shape[1] // rows
    out = np.empty((len(values), bands), dtype=np.uint64)
    for band in range(bands):
        mixed = np.full(len(values), band + 1, dtype=np.uint64)
        for row in range(rows):
            mixed = (mixed ^ values[:, band * rows + row]) * np.uint64(0xD6E8FEB86659FD93)
            mixed ^= mixed >> np.uint64(32)
        out[:, band] = mixed
    return out
