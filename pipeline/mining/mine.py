"""Mining from arrays: neighbours, margin, retrieval, linking.

Memory beyond the vectors: what `mutual_neighbors` holds, and about 250 bytes a row of both sides for neighbours (k = 4)
and candidates; or, where there is a folder for those, ``memory_bytes`` and a byte a row (see `pipeline.search.scratch`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.mine import Mine
from pipeline.console.progress import Advance
from pipeline.ground.arrays import Rows
from pipeline.ground.atomic import scratch_folder
from pipeline.mining.documents import Restriction, restricted_neighbors
from pipeline.mining.linking import link, link_in_files
from pipeline.mining.pair_rules import PairRules, Sieve
from pipeline.mining.retrieval import Candidates, candidates
from pipeline.search.clusters import clustered_neighbors, make_clusters
from pipeline.search.copies import Copies
from pipeline.search.exact_blocks import spread_neighbors
from pipeline.search.faiss_index import Tuned, approximate_neighbors, choose_factory, ensure_index, tune_effort
from pipeline.search.filling import Fillers
from pipeline.search.neighbors import Neighbors, mutual_neighbors
from pipeline.search.samples import Sampler, sampling
from pipeline.search.scratch import Room
from pipeline.search.vectors import VectorSource, check_pair
from pipeline.search.workers import SearchWorkers, ranges_wanted, worth


@dataclass(frozen=True)
class MinedPairs(Candidates):
    """One-to-one pairs, sorted by score (greatest first), then by row; see `Candidates` for the arrays."""


@dataclass(frozen=True)
class Search:
    """How neighbours were found.

    Attributes:
        neighbors: of both directions.
        about: for metadata: exact or approximate, the indexes and what they were set to; nothing of time or place.
        tuned: of an approximate search, its effort and recall on a sample (of FAISS indexes, that of side b and that of
            side a); empty if exact.
    """

    neighbors: Neighbors
    about: dict[str, Any]
    tuned: tuple[Tuned, ...] = ()


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


def find_neighbors(
    x: VectorSource,
    y: VectorSource,
    options: Mine,
    indexes: Path | None = None,
    seed: int = 0,
    advance: Advance | None = None,
    restriction: Restriction | None = None,
    room: Room | None = None,
    spread: SearchWorkers | None = None,
    copies: Copies | None = None,
) -> Search:
    """The neighbours of both directions: exactly, through clusters or through FAISS indexes, as the options say.

    Args:
        x: side a's vectors [n, d], float16 or float32, possibly memory-mapped.
        y: side b's vectors [m, d].
        options: the section ``mine`` of params.yaml.
        indexes: where indexes are kept to be used again; without it they are built anew and thrown away.
        seed: of samples and of k-means.
        advance: called with rows of x done.
        restriction: only these may be neighbours; their search is exact, whatever the options say, and this process'.
        room: for the neighbours (not of a restriction); memory, if not given.
        spread: the workers that search; this process alone, if not given. What fits into one tile is not worth them.
        copies: rows with the same text, which are never neighbours.

    Raises:
        VectorError: if the sides can't be compared, or a vector is zero or not finite.
        ParamsError: if FAISS can't make the index asked for.
        OSError: if the neighbours don't fit into a room of files.
    """
    check_pair(x, y)
    room = room or Room()
    spread = worth(spread, x, y, options.memory_bytes)
    if restriction is not None:
        found = restricted_neighbors(x, y, restriction, options.k, options.memory_bytes, None, advance, copies)
        alone = {"without_candidates_a": restriction.alone_a, "without_candidates_b": restriction.alone_b}
        return Search(found, {"search": "exact", "within": options.within, **alone})
    if options.search == "exact" or len(x) == 0 or len(y) == 0:
        if spread is None and room.folder is None:
            neighbors = mutual_neighbors(x, y, options.k, options.memory_bytes, None, advance, copies)
        else:
            neighbors = spread_neighbors(x, y, options.k, options.memory_bytes, advance, room, spread, copies)
        return Search(neighbors, {"search": "exact"})
    if options.index is None:
        # Sketches are as large as half of the vectors: they lie in files, too.
        with _sketch_folder(indexes) as folder:
            return _through_clusters(x, y, options, seed, advance, folder, room, spread, copies)
    if indexes is None:
        with tempfile.TemporaryDirectory(prefix="softalign-index-") as folder:
            return _through_indexes(x, y, options, Path(folder), seed, advance, room, spread, copies)
    return _through_indexes(x, y, options, indexes, seed, advance, room, spread, copies)


@contextmanager
def _sketch_folder(indexes: Path | None) -> Iterator[Path]:
    if indexes is not None:  # where killed runs leave nothing for good
        with scratch_folder(indexes, "sketches") as folder:
            yield folder
        return
    with tempfile.TemporaryDirectory(prefix="softalign-sketches-") as name:
        yield Path(name)


def _sampled(sampler: Sampler) -> list[Callable[[Rows], NDArray[np.float32]]]:
    """The search of side a's samples, and of side b's."""
    return [lambda rows: sampler(True, rows)[0], lambda rows: sampler(False, rows)[0]]


def _through_clusters(
    x: VectorSource,
    y: VectorSource,
    options: Mine,
    seed: int,
    advance: Advance | None,
    folder: Path,
    room: Room,
    spread: SearchWorkers | None,
    copies: Copies | None,
) -> Search:
    folder, wanted, memory = folder.absolute(), ranges_wanted(spread), options.memory_bytes
    with sampling(spread, x, y, options.k, options.memory_bytes, room, None, copies) as (crew, sampler):
        clusters = make_clusters(
            x, y, options.k, options.recall, options.sample, memory, seed, folder=folder, sampler=sampler
        )
        neighbors = clustered_neighbors(
            x, y, options.k, clusters, memory, None, advance, room, crew, wanted, folder, copies
        )
    tuned = Tuned(clusters.gap, clusters.recall)
    about = {
        "search": "approximate",
        "clusters": clusters.centroids.shape[1],
        "effort": clusters.gap,
        "sample_recall": round(clusters.recall, 6),
        "seed": seed,
    }
    return Search(neighbors, about, (tuned,))


def _through_indexes(
    x: VectorSource,
    y: VectorSource,
    options: Mine,
    root: Path,
    seed: int,
    advance: Advance | None,
    room: Room,
    spread: SearchWorkers | None,
    copies: Copies | None,
) -> Search:
    wanted = ranges_wanted(spread)
    with sampling(spread, x, y, options.k, options.memory_bytes, room, "cpu", copies) as (crew, sampler):
        built = []
        for of_a, vectors in ((False, y), (True, x)):
            factory = str(options.index)
            if factory == "auto":
                factory = choose_factory(len(vectors), vectors.shape[1], options.index_bytes)
            fillers = None if crew is None else Fillers(crew, of_a, wanted)
            index = ensure_index(root, vectors, factory, options.index_bytes, seed, fillers=fillers)
            index.copies = copies if copies is None or not of_a else copies.swapped()
            built.append(index)
        tuned = tuple(
            tune_effort(index, queries, options.k, options.recall, options.sample, options.memory_bytes, seed, search)
            for index, queries, search in zip(built, (x, y), _sampled(sampler), strict=True)
        )
        neighbors = approximate_neighbors(built[0], built[1], options.k, advance, room, crew, wanted)
    indexes = [
        {**index.about, "effort": found.effort, "sample_recall": round(found.recall, 6)}
        for index, found in zip(built, tuned, strict=True)
    ]
    return Search(neighbors, {"search": "approximate", "of_b": indexes[0], "of_a": indexes[1]}, tuned)


def mine(
    x: VectorSource,
    y: VectorSource,
    options: Mine,
    advance: Advance | None = None,
    indexes: Path | None = None,
    seed: int = 0,
    scratch: Path | None = None,
    rules: PairRules | None = None,
) -> MinedPairs:
    """Pairs of rows that are most likely translations.

    No threshold is applied, not even ``options.threshold``: see `Candidates.above`. Arguments and errors as in
    `find_neighbors`; ``scratch`` is a folder for what doesn't fit into ``options.memory_bytes``, not there yet or empty, from
    which the pairs are then mapped: delete it when they are no longer needed. ``rules`` are those that pairs have to pass;
    vectors alone say nothing of texts, so none, if they are not given.
    """
    room = Room.for_rows(scratch, len(x) + len(y), options.k, options.memory_bytes)
    copies = None if rules is None else rules.copies
    neighbors = find_neighbors(x, y, options, indexes, seed, advance, room=room, copies=copies).neighbors
    return mine_neighbors(neighbors, options, room, rules).pairs


def mine_neighbors(
    neighbors: Neighbors, options: Mine, room: Room | None = None, rules: PairRules | None = None
) -> Mined:
    """The same from neighbours, however they were found; and the candidates that were not linked.

    Args:
        neighbors: of both sides.
        options: the section ``mine`` of params.yaml.
        room: for candidates. In memory, which is where they are if it is not given, they take about 200 bytes a row of both
            sides; in files what `link_in_files` says.
        rules: what pairs have to pass: each sentence proposes the best candidate that does.
    """
    sieve = None if rules is None else Sieve(rules)
    if room is None or room.folder is None:
        linked, unlinked = link(candidates(neighbors, options.score, options.retrieval, sieve))
    else:
        linked, unlinked = link_in_files(neighbors, options.score, options.retrieval, room, options.memory_bytes, sieve)
    broken = {} if sieve is None else dict(sorted(sieve.broken.items()))
    return Mined(MinedPairs(**vars(linked)), unlinked, neighbors, broken)
