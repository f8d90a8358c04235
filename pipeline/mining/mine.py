"""Mining from arrays: neighbours, margin, retrieval, linking.

Memory beyond the vectors: what the search holds (`pipeline.search`), and about 250 bytes a row of both sides for
neighbours (k = 4) and candidates; or, where there is a folder for those, ``memory_bytes`` and a byte a row (see
`pipeline.search.scratch`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.config.mine import Mine
from pipeline.mining.documents import Restriction, restricted_neighbors
from pipeline.mining.linking import link, link_in_files
from pipeline.mining.pair_rules import PairRules, Sieve
from pipeline.mining.retrieval import Candidates, candidates
from pipeline.search.job import SearchJob
from pipeline.search.neighbors import Neighbors, Search
from pipeline.search.scratch import ScratchArrays
from pipeline.search.search import search
from pipeline.search.vectors import VectorSource


@dataclass(frozen=True)
class MinedPairs(Candidates):
    """One-to-one pairs, sorted by score (greatest first), then by row; see `Candidates` for the arrays."""


@dataclass(frozen=True)
class Mined:
    """What mining found.

    Attributes:
        pairs: one-to-one, sorted.
        unlinked: the proposed pairs that lost to a better one, sorted.
        neighbors: what the scores were computed from.
        broken: how often a sentence's best candidate broke a rule, by rule, so that the next best was taken.
    """

    pairs: MinedPairs
    unlinked: Candidates
    neighbors: Neighbors
    broken: Mapping[str, int] = field(default_factory=dict)


def search_job(options: Mine, **given: Any) -> SearchJob:
    """The search that mining needs.

    Args:
        options: the section ``mine`` of params.yaml.
        **given: what else a search may use, by the names of `SearchJob`'s attributes.
    """
    return SearchJob(
        options.k,
        options.memory_bytes,
        backend=options.search,
        index=options.index,
        index_bytes=options.index_bytes,
        recall=options.recall,
        sample=options.sample,
        **given,
    )


def find_neighbors(x: VectorSource, y: VectorSource, job: SearchJob, restriction: Restriction | None = None) -> Search:
    """The neighbours of both directions.

    Args:
        x: side a's vectors [n, d], float16 or float32, possibly memory-mapped.
        y: side b's vectors [m, d].
        job: how they are searched.
        restriction: only these may be neighbours; they are searched exactly, in memory, by this process, whatever the
            job says.

    Raises:
        VectorError: if the sides can't be compared, or a vector is zero or not finite.
        ParamsError: if FAISS can't make the index asked for.
        OSError: if the neighbours don't fit on the disk.
    """
    if restriction is None:
        return search(x, y, job)
    alone = {"without_candidates_a": restriction.alone_a, "without_candidates_b": restriction.alone_b}
    about = {"search": "exact", "exact": True, "within": restriction.within, **alone}
    return Search(restricted_neighbors(x, y, restriction, job), about)


def mine(
    x: VectorSource,
    y: VectorSource,
    options: Mine,
    job: SearchJob | None = None,
    rules: PairRules | None = None,
) -> MinedPairs:
    """Pairs of rows that are most likely translations.

    No threshold is applied, not even ``options.threshold``: see `Candidates.above`. Errors as in `find_neighbors`.

    Args:
        x: side a's vectors [n, d].
        y: side b's vectors [m, d].
        options: the section ``mine`` of params.yaml.
        job: the search, if it may use more than memory (`search_job`); where its scratch arrays are files, the pairs
            are mapped from there.
        rules: the rules that pairs have to pass; vectors alone say nothing of texts, so none, if they are not given.
    """
    job = search_job(options) if job is None else job
    if rules is not None:
        job = replace(job, copies=rules.copies)
    return mine_neighbors(find_neighbors(x, y, job).neighbors, options, job.scratch, rules).pairs


def mine_neighbors(
    neighbors: Neighbors, options: Mine, arrays: ScratchArrays | None = None, rules: PairRules | None = None
) -> Mined:
    """The same from neighbours, however they were found; and the candidates that were not linked.

    Args:
        neighbors: the neighbours of both sides.
        options: the section ``mine`` of params.yaml.
        arrays: where candidates lie. In memory, which is where they are if it is not given, they take about 200 bytes a
            row of both sides; in files what `link_in_files` says.
        rules: the rules that pairs have to pass: each sentence proposes the best candidate that does.
    """
    sieve = None if rules is None else Sieve(rules)
    if arrays is None or arrays.folder is None:
        linked, unlinked = link(candidates(neighbors, options.score, options.retrieval, sieve))
    else:
        linked, unlinked = link_in_files(
            neighbors, options.score, options.retrieval, arrays, options.memory_bytes, sieve
        )
    broken = {} if sieve is None else dict(sorted(sieve.broken.items()))
    return Mined(MinedPairs(**vars(linked)), unlinked, neighbors, broken)
