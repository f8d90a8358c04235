"""How much of an index has to be looked at, and how much of what its codes propose: found on a sample, also searched exactly.

The share of the sample's true neighbours that a search finds is a mean over the sample's rows. So that the share asked
for is reached not by the luck of the sample but with 95 % confidence, the mean less 1.645 standard errors has to reach
it (a one-sided normal bound, without replacement: a sample of all rows has no error).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pipeline.ground.arrays import Rows
from pipeline.search.copies import CopiedTexts
from pipeline.search.faiss_index import CPU, PROPOSED, Index, proposed
from pipeline.search.job import SearchJob
from pipeline.search.look_up import search_rows
from pipeline.search.neighbors import Found, Tuned, as_near, neighbor_recalls, share_of
from pipeline.search.vectors import VectorSource, gathered

CONFIDENCE = 1.645
"""Standard errors that a sample's share of neighbours has to be above the one asked for: 95 %, one-sided."""

MOST_CANDIDATES, FOR_EACH = 1_024, 64
"""Candidates at most, or so many for each neighbour; codes that need more tell next to nothing."""


def tune_effort(
    index: Index,
    queries: VectorSource,
    job: SearchJob,
    copies: CopiedTexts | None,
    exact_search: Callable[[Rows], Found],
) -> Tuned:
    """Set the least effort, within an eighth, that finds the share of the k nearest neighbours asked for.

    Of what may be missed, codes may miss half: first so many candidates are taken that they do, all lists being visited. If
    the share is not reached even so, the effort stops growing where it stops helping.

    Args:
        index: the index to be searched; its effort and its candidates are set.
        queries: the side that asks [q, d].
        job: k, recall, sample and seed.
        copies: rows of the queries and of the index that are no neighbours.
        exact_search: the exact neighbours of rows of the queries.
    """
    if len(queries) == 0 or len(index.vectors) == 0:
        return Tuned(index.effort, 1.0)
    rows = np.sort(np.random.default_rng(job.seed).choice(len(queries), min(job.sample, len(queries)), replace=False))
    exact, asked = exact_search(rows)[0], gathered(queries, rows, "the queries", CPU)
    left = (len(queries) - len(rows)) / max(len(queries) - 1, 1)
    shares: dict[int, float] = {}

    def surely(share: float, error: float) -> float:
        """The share that surely is found at least."""
        return float(share - CONFIDENCE * error * left**0.5)

    def reached(effort: int) -> float:
        index.effort = effort
        share, error = neighbor_recalls(exact, search_rows(index, asked, rows, job.k, copies)[0])
        shares[effort] = share
        return surely(share, error)

    # A graph's walk finds its candidates itself.
    if not index.exact_scores and not index.is_graph:
        for candidates, share, error in _shares_by_candidates(index, exact, asked, rows, job.k, copies):
            index.more = candidates - proposed(job.k)
            if surely(share, error) >= (1 + job.recall) / 2:
                break
    if (most := index.most_effort) == 0:
        reached(0)
        return Tuned(0, shares[0])
    high, found = 1, reached(1)
    while found < job.recall and high < most:
        before, high = found, min(2 * high, most)
        found = reached(high)
        if high > most // 4 and found <= before:
            break
    low = high // 2
    while found >= job.recall and high - low > max(1, high // 8):
        middle = (low + high) // 2
        if (share := reached(middle)) >= job.recall:
            high, found = middle, share
        else:
            low = middle
    index.effort = high
    return Tuned(high, shares[high])


def _shares_by_candidates(
    index: Index, exact: NDArray[np.float32], asked: Tensor, rows: Rows, k: int, copies: CopiedTexts | None
) -> Iterator[tuple[int, float, float]]:
    """By ever more candidates: the share of the exact neighbours [r, k] among them, and its error; all lists are visited.

    Holds `MOST_CANDIDATES` candidates of each row, or `FOR_EACH`·k, of which FAISS gives the nearest by its codes first.
    """
    index.effort, first = index.most_effort, proposed(k)
    most = min(max(MOST_CANDIDATES, FOR_EACH * k), len(index.vectors))
    near, place = np.zeros((len(rows), most), bool), np.zeros((len(rows), most), np.int32)
    step = max(1, PROPOSED // most)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        similarity, row = index.propose(asked[part], most)
        copied = np.zeros(row.shape, bool) if copies is None else copies.met(rows[part], row)
        # The place of each among those that are no copies of the row's own text: as many more are asked for.
        near[part], place[part] = as_near(exact[part], similarity) & ~copied, np.cumsum(~copied, axis=1)
    counts = np.isfinite(exact).sum(axis=1)
    candidates = min(first, most)
    while True:
        hits = np.minimum((near & (place <= candidates)).sum(axis=1), counts)
        yield candidates, *share_of(hits, counts)
        if candidates >= most:
            return
        candidates = min(candidates + candidates // 4 + 1, most)
