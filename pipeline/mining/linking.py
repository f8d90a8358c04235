"""One-to-one pairs by greedy competitive linking (Melamed 2000): the best pair first, then the best of what is left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.mining.margin import CHUNK
from pipeline.mining.retrieval import Candidates, Rows


def competitive_links(row_a: Rows, row_b: Rows) -> NDArray[np.bool_]:
    """Which of the candidates [p], in the order given, are taken when each row of either side is used once.

    Holds a byte a row of both sides besides its arguments.

    >>> competitive_links(np.array([0, 0, 1, 2]), np.array([5, 6, 5, 6])).tolist()
    [True, False, False, True]
    """
    taken = np.zeros(len(row_a), dtype=np.bool_)
    if len(row_a) == 0:
        return taken
    used_a, used_b = bytearray(int(row_a.max()) + 1), bytearray(int(row_b.max()) + 1)
    for start in range(0, len(row_a), CHUNK):
        pairs = zip(row_a[start : start + CHUNK].tolist(), row_b[start : start + CHUNK].tolist(), strict=True)
        for position, (a, b) in enumerate(pairs, start):
            if not used_a[a] and not used_b[b]:
                used_a[a] = used_b[b] = 1
                taken[position] = True
    return taken


def link(found: Candidates) -> tuple[Candidates, Candidates]:
    """The one-to-one pairs among candidates, and the others; both sorted by score, greatest first, ties by row."""
    ordered = found.ordered()
    taken = competitive_links(ordered.row_a, ordered.row_b)
    return ordered.take(taken), ordered.take(~taken)
