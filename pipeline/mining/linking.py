"""One-to-one pairs by greedy competitive linking (Melamed 2000): the best pair first, then the best of what is left.

What matters is the order alone, so candidates may come in parts, and what has to be held is which rows are used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.ground.arrays import CHUNK, Rows
from pipeline.mining.candidate_files import CandidateFile, sorted_parts
from pipeline.mining.margin import Score
from pipeline.mining.retrieval import Candidates, Means, PairSieve, Retrieval, proposals, scored
from pipeline.search.neighbors import Neighbors
from pipeline.search.scratch import CANDIDATE_BYTES, COPIES, ScratchArrays


class Linker:
    """Takes candidates, best first, whose rows are both unused. Holds a byte a row of both sides.

    Args:
        rows_a: n.
        rows_b: m.
    """

    def __init__(self, rows_a: int, rows_b: int) -> None:
        self._used_a, self._used_b = bytearray(rows_a), bytearray(rows_b)

    def take(self, row_a: Rows, row_b: Rows) -> NDArray[np.bool_]:
        """Which of the next candidates [p], in the order given, are taken."""
        taken = np.zeros(len(row_a), dtype=np.bool_)
        used_a, used_b = self._used_a, self._used_b
        for start in range(0, len(row_a), CHUNK):
            pairs = zip(row_a[start : start + CHUNK].tolist(), row_b[start : start + CHUNK].tolist(), strict=True)
            for position, (a, b) in enumerate(pairs, start):
                if not used_a[a] and not used_b[b]:
                    used_a[a] = used_b[b] = 1
                    taken[position] = True
        return taken


def competitive_links(row_a: Rows, row_b: Rows) -> NDArray[np.bool_]:
    """Which of the candidates [p], in the order given, are taken when each row of either side is used once.

    Holds a byte a row of both sides besides its arguments.

    >>> competitive_links(np.array([0, 0, 1, 2]), np.array([5, 6, 5, 6])).tolist()
    [True, False, False, True]
    """
    if len(row_a) == 0:
        return np.zeros(0, dtype=np.bool_)
    return Linker(int(row_a.max()) + 1, int(row_b.max()) + 1).take(row_a, row_b)


def link(found: Candidates) -> tuple[Candidates, Candidates]:
    """The one-to-one pairs among candidates, and the others; both sorted by score, greatest first, ties by row."""
    ordered = found.ordered()
    taken = competitive_links(ordered.row_a, ordered.row_b)
    return ordered.take(taken), ordered.take(~taken)


def link_in_files(
    neighbors: Neighbors,
    score: Score,
    retrieval: Retrieval,
    arrays: ScratchArrays,
    memory_bytes: int,
    sieve: PairSieve | None = None,
) -> tuple[Candidates, Candidates]:
    """The same as ``link(candidates(neighbors, score, retrieval))``, by way of files; what it gives is memory-mapped.

    Holds about ``memory_bytes`` (at least that of a chunk of 65,536 rows) and a byte a row of both sides. The files take 16
    to 24 bytes a row and 104 bytes a candidate until all are linked, 52 bytes a candidate afterwards.

    Args:
        neighbors: the neighbours of both sides.
        score: the score that chooses.
        retrieval: whose best candidates are proposed.
        arrays: arrays in files, not in memory.
        memory_bytes: for candidates that are sorted.
        sieve: what pairs have to pass (`candidates`).

    Raises:
        OSError: if the files don't fit on the disk.
    """
    if arrays.folder is None:
        raise ValueError("expected a folder")
    rows = max(1, memory_bytes // (COPIES * CANDIDATE_BYTES))
    linker = Linker(len(neighbors.forward_row), len(neighbors.backward_row))
    linked, unlinked = CandidateFile(arrays.folder, "linked"), CandidateFile(arrays.folder, "unlinked")
    for part in sorted_parts(_scored_parts(neighbors, score, retrieval, arrays, sieve), arrays.folder, rows):
        taken = linker.take(part.row_a, part.row_b)
        linked.append(part.take(taken))
        unlinked.append(part.take(~taken))
    for name in ("means-a", "means-b", "best-of-a"):
        arrays.drop(name)
    return linked.close(), unlinked.close()


def _scored_parts(
    neighbors: Neighbors, score: Score, retrieval: Retrieval, arrays: ScratchArrays, sieve: PairSieve | None
) -> Iterator[Candidates]:
    means = Means.of(neighbors, arrays)
    pairs: Iterable[Rows] = proposals(neighbors, means, score, retrieval, arrays, sieve)
    return (scored(neighbors, part[:, 0], part[:, 1], score, means) for part in pairs)
