"""How scores are spread: two heaps with a valley between them mean that a threshold can part them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.ground.arrays import Floats

WIDTHS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Widths of bins that a reader can count in."""

BINS = 24
"""Bins of a histogram that chooses its own width, at most, between its tails."""

TAIL = 0.002
"""The share of scores at each end that the first and the last bin take in: a ratio over a tiny mean may be anything."""


@dataclass(frozen=True)
class Histogram:
    """How scores are spread.

    Attributes:
        edges: the edges of the bins [b + 1]; the first bin also counts what is below, the last what is above.
        counts: the pairs in each bin [b].
    """

    edges: Floats
    counts: NDArray[np.int64]

    def rows(self) -> Sequence[tuple[float, float, int]]:
        """Each bin's low edge, high edge and count."""
        return list(zip(self.edges[:-1].tolist(), self.edges[1:].tolist(), self.counts.tolist(), strict=True))

    def as_metrics(self) -> dict[str, Any]:
        """For metadata and metrics files: edges and counts."""
        return {"edges": [round(edge, 4) for edge in self.edges.tolist()], "counts": self.counts.tolist()}


def histogram(scores: Floats, width: float | None = None) -> Histogram:
    """Counts of scores in bins whose edges are multiples of ``width``.

    Without a width, one is chosen so that there are at most about `BINS` bins, and the `TAIL` of scores at either end is
    counted in the outermost ones. Scores that are not finite (of pairs that could not be scored) are left out.

    >>> histogram(np.array([0.99, 1.01, 1.02, 1.03]), 0.02).counts.tolist()
    [1, 1, 2]
    """
    scores = scores[np.isfinite(scores)]
    if len(scores) == 0:
        return Histogram(np.array([0.0, width or WIDTHS[0]]), np.zeros(1, dtype=np.int64))
    low, high = float(scores.min()), float(scores.max())
    if width is None:
        low, high = (float(value) for value in np.quantile(scores, [TAIL, 1 - TAIL]))
        width = next((step for step in WIDTHS if high - low <= step * BINS), (high - low) / BINS or WIDTHS[0])
    first, last = int(np.floor(low / width + 1e-9)), int(np.floor(high / width + 1e-9)) + 1
    places = np.clip(np.floor(scores / width + 1e-9), first, last - 1).astype(np.int64) - first
    return Histogram(np.arange(first, last + 1, dtype=np.float64) * width, np.bincount(places, minlength=last - first))


def bar(count: int, most: int, width: int = 40) -> str:
    """A bar of ``#`` as long as a count beside the greatest; whatever is there can be seen.

    >>> bar(1, 1000), bar(1000, 1000, 4), bar(0, 1000)
    ('#', '####', '')
    """
    return "#" * max(int(count > 0), round(width * count / max(most, 1)))
