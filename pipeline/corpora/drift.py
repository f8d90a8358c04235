"""Where two files that should be aligned begin to drift apart.

When one file has d lines more than the other, the likeliest story is that d lines were inserted at one place. Aligned lines
have like lengths (Gale & Church 1993): each line's cost under "not yet shifted" and under "shifted by d" is the squared
difference of log lengths, and the cut that makes the sum of both smallest is the place. It is told only when the shifted
reading fits the lines after it much better than the unshifted one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.corpora.base import CorpusSource
from pipeline.corpora.lines import read_lines

MAX_LINES = 5_000_000
"""Longer files are not looked at: lengths take 4 bytes a line in memory."""

MIN_LINES = 8
"""After the cut, so few lines can't tell a drift from chance."""


def explain_drift(first: CorpusSource, second: CorpusSource, encoding: str) -> str:
    """A clause for the message: where the two files seem to drift; empty where that can't be told."""
    lengths = _lengths(first, encoding), _lengths(second, encoding)
    if max(len(length) for length in lengths) > MAX_LINES:
        return ""
    line = drift_line(*lengths)
    return "" if line is None else f"; they seem to drift from line {line:,} on"


def drift_line(first: NDArray[np.float32], second: NDArray[np.float32]) -> int | None:
    """The first line (from 1) of the shorter file that no longer belongs to the longer one's line of the same number.

    Args:
        first: log lengths [n] of one file's lines.
        second: log lengths [m] of the other's, m ≠ n.
    """
    longer, shorter = (first, second) if len(first) > len(second) else (second, first)
    count, shift = len(shorter), len(longer) - len(shorter)
    if count < 2 * MIN_LINES:
        return None
    scale = float(np.mean(longer) - np.mean(shorter))
    still = (longer[:count] - shorter - scale) ** 2
    shifted = (longer[shift : shift + count] - shorter - scale) ** 2
    # total[c]: lines before c unshifted, from c on shifted
    total = np.concatenate([[0.0], np.cumsum(still, dtype=np.float64)])
    total += np.concatenate([np.cumsum(shifted[::-1], dtype=np.float64)[::-1], [0.0]])
    cut = int(np.argmin(total))
    after = count - cut
    if after < MIN_LINES or shifted[cut:].mean() >= 0.6 * still[cut:].mean():
        return None
    return cut + 1


def _lengths(source: CorpusSource, encoding: str) -> NDArray[np.float32]:
    parts = [
        np.log1p(frame["text"].str.len_chars().to_numpy()).astype(np.float32) for frame in read_lines(source, encoding)
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)
