"""Where two files that should be aligned begin to drift apart.

When one file has d lines more than the other, the likeliest story is that d lines were inserted at one place. Aligned lines
have like lengths (Gale & Church 1993): each line's cost under "not yet shifted" and under "shifted by d" is the squared
difference of log lengths, and the cut that makes the sum of both smallest is the place. It is told only when the shifted
reading fits the lines after it much better than the unshifted one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

MAX_LINES = 5_000_000
"""Longer files are not looked at: the sums below take some 40 bytes a line in memory."""

MIN_LINES = 8
"""After the cut, so few lines can't tell a drift from chance."""

FIT = 0.6
"""How small the shifted reading's mean cost must be, in parts of the unshifted one's."""


def log_lengths(lines: Iterable[pl.DataFrame]) -> NDArray[np.float32]:
    """The logarithms of lines' lengths [n], of frames with the column ``text``; 4 bytes a line."""
    parts = [np.log1p(frame["text"].str.len_chars().to_numpy()).astype(np.float32) for frame in lines]
    return np.concatenate([np.empty(0, dtype=np.float32), *parts])


def drift_line(first: NDArray[np.float32], second: NDArray[np.float32]) -> int | None:
    """The first line (from 1) of the shorter file that no longer belongs to the longer one's line of the same number.

    Told from the log lengths of one file's lines [n] and of the other's [m], m ≠ n.
    """
    longer, shorter = (first, second) if len(first) > len(second) else (second, first)
    count, shift = len(shorter), len(longer) - len(shorter)
    if count < 2 * MIN_LINES or len(longer) > MAX_LINES:
        return None
    # One language may say all with more letters: what is compared is the length beyond the languages' mean difference.
    scale = float(np.mean(longer) - np.mean(shorter))
    still = (longer[:count] - shorter - scale) ** 2
    shifted = (longer[shift : shift + count] - shorter - scale) ** 2
    # total[c]: the cost if lines before c are unshifted, and those from c on are shifted
    total = np.concatenate([[0.0], np.cumsum(still, dtype=np.float64)])
    total += np.concatenate([np.cumsum(shifted[::-1], dtype=np.float64)[::-1], [0.0]])
    cut = int(np.argmin(total))
    if count - cut < MIN_LINES or shifted[cut:].mean() >= FIT * still[cut:].mean():
        return None
    return cut + 1
