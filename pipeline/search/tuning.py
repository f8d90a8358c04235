"""How much of an index has to be looked at: found on a sample that is also searched exactly.

The share of the sample's true neighbours that a search finds is a mean over the sample's rows. So that the share asked
for is reached not by the luck of the sample but with 95 % confidence, the mean less 1.645 standard errors has to reach
it (a one-sided normal bound, without replacement: a sample of all rows has no error).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.ground.arrays import Rows
from pipeline.search.copies import CopiedTexts
from pipeline.search.faiss_index import CPU, Index
from pipeline.search.job import SearchJob
from pipeline.search.look_up import search_rows
from pipeline.search.neighbors import Found, Tuned, neighbor_recalls
from pipeline.search.vectors import VectorSource, gathered

CONFIDENCE = 1.645
"""Standard errors that a sample's share of neighbours has to be above the one asked for: 95 %, one-sided."""


def tune_effort(
    index: Index,
    queries: VectorSource,
    job: SearchJob,
    copies: CopiedTexts | None,
    exact_search: Callable[[Rows], Found],
) -> Tuned:
    """Set the least effort, within an eighth, that finds the share of the k nearest neighbours asked for.

    If even visiting everything does not reach it (compressed codes), the effort stops growing where it stops helping.

    Args:
        index: the index to be searched; its effort is set.
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

    def reached(effort: int) -> float:
        """The share that surely is found at least."""
        index.effort = effort
        share, error = neighbor_recalls(exact, search_rows(index, asked, rows, job.k, copies)[0])
        shares[effort] = share
        return float(share - CONFIDENCE * error * left**0.5)

    most = index.most_effort
    if most == 0:
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
