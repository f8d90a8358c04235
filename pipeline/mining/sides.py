"""The miner: two sides of sentences with their vectors, and what mining between them gave.

What a stage keeps as artifacts (`pipeline.mining.texts`) and what a user has as files (`pipeline.mining.files.mine`) are both
made into `MiningSide`s; all that follows, down to what there is to judge a threshold by, is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.mine import Mine
from pipeline.console.progress import progress
from pipeline.ground.arrays import Rows
from pipeline.mining.documents import Restriction, restrict
from pipeline.mining.judging.control import (
    Control,
    partner_control,
    restricted_control,
    shared_documents,
    shuffled_control,
)
from pipeline.mining.judging.quality import ApproximationCost, cost, exact_sample
from pipeline.mining.mine import Mined, MinedPairs, find_neighbors, mine_neighbors, search_job
from pipeline.mining.pair_rules import MinedRules, PairRules, counted
from pipeline.mining.row_texts import RowTexts
from pipeline.search.job import SearchJob, SearchWorkers
from pipeline.search.neighbors import Search
from pipeline.search.scratch import ScratchArrays
from pipeline.search.vectors import VectorSource
from pipeline.search.workers import worth_workers


@dataclass(frozen=True)
class MiningSide:
    """The sentences of one language that are mined.

    Attributes:
        vectors: the sentences' vectors [n, d].
        texts: the sentences [n].
        documents: the name of each sentence's document [n], empty where it has none; None: nobody knows any.
        days: documents as days [n] (`pipeline.mining.keys.day_numbers`), where pairs have to be of days near each other.
    """

    vectors: VectorSource
    texts: RowTexts
    documents: NDArray[np.str_] | None = None
    days: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class MiningRun:
    """How two sides are mined.

    Attributes:
        options: the section ``mine`` of params.yaml.
        rules: the rules that pairs have to pass; None: all pass.
        seed: the seed of everything that is drawn.
        label: the name under which progress is shown.
        indexes: the folder in which FAISS indexes are kept to be used again; None: they are thrown away.
        workers: who searches, where the search goes over all rows; None: this process.
        scratch: a folder of this run's own for what doesn't fit into ``options.memory_bytes``, not there yet or empty; what
            is returned may be mapped from there. None: there is nothing but memory.
    """

    options: Mine
    rules: MinedRules | None = None
    seed: int = 0
    label: str = "mine"
    indexes: Path | None = None
    workers: SearchWorkers | None = None
    scratch: Path | None = None


@dataclass(frozen=True)
class LeftOut:
    """What the rules about pairs left out.

    Attributes:
        copies_a: sentences of side a whose text stands on side b: never paired with it.
        copies_b: sentences of side b whose text stands on side a.
        broken: best candidates of a sentence that broke a rule, or given lines that do, by rule.
        gold: gold pairs that break a rule, so that none of them can be found, by rule.
    """

    copies_a: int = 0
    copies_b: int = 0
    broken: Mapping[str, int] = field(default_factory=dict)
    gold: Mapping[str, int] = field(default_factory=dict)

    def as_metrics(self) -> dict[str, Any]:
        """For metadata."""
        found = {"copies_a": self.copies_a, "copies_b": self.copies_b, "broken": dict(self.broken)}
        return found | ({"gold": dict(self.gold)} if self.gold else {})


@dataclass(frozen=True)
class SearchedSides:
    """Two sides and the neighbours that they have in each other.

    Attributes:
        a: the first side.
        b: the second side.
        run: how they are mined.
        rules: the rules for pairs of their rows; None: all pass.
        job: how neighbours were searched, and where arrays lie that grow with the rows.
        search: the neighbours, and how they were found.
    """

    a: MiningSide
    b: MiningSide
    run: MiningRun
    rules: PairRules | None
    job: SearchJob
    search: Search

    def left_out(self, broken: Mapping[str, int], gold: Rows | None = None) -> LeftOut:
        """What the rules left out.

        Args:
            broken: how many pairs broke a rule, by rule.
            gold: gold pairs of rows [g, 2].
        """
        copies = None if self.rules is None else self.rules.copies
        counts = (0, 0) if copies is None else (len(copies.rows_a), len(copies.rows_b))
        lost = {} if gold is None or self.rules is None else counted(self.rules.of_pairs(gold[:, 0], gold[:, 1]))
        return LeftOut(*counts, broken, lost)


@dataclass(frozen=True)
class MinedSides:
    """What mining between two sides gave.

    Attributes:
        searched: the sides, and their neighbours.
        mined: the pairs, one-to-one and best first, and the candidates that were not linked.
    """

    searched: SearchedSides
    mined: Mined

    @property
    def pairs(self) -> MinedPairs:
        """One-to-one pairs of rows of the two sides, best first."""
        return self.mined.pairs

    @property
    def about(self) -> dict[str, Any]:
        """How neighbours were found, for metadata."""
        return self.searched.search.about

    def left_out(self, gold: Rows | None = None) -> LeftOut:
        """What the rules left out of these pairs, and of gold pairs [g, 2] where there are some."""
        return self.searched.left_out(self.mined.broken, gold)

    def cost(self, threshold: float | None) -> ApproximationCost | None:
        """What an approximate search lost at a threshold against an exact one, on a sample; None if it was exact."""
        found, run = self.searched, self.searched.run
        if self.about["exact"]:
            return None
        x, y = found.a.vectors, found.b.vectors
        job = worth_workers(replace(found.job, scratch=found.job.scratch.part("cost")), x, y)
        return cost(exact_sample(x, y, job, run.options.score), self.mined, threshold)

    def control(self, threshold: float | None) -> Control | None:
        """What mining accepts at a threshold where there is nothing to find; None where that can't be had.

        Inside documents or days these are exchanged for others; where both sides' documents are known, those of one half are
        mined against those of the other; else every accepted sentence loses its partner.
        """
        found, run = self.searched, self.searched.run
        a, b, options, rules = found.a, found.b, run.options, found.rules
        if options.within != "corpus":
            shuffled = restriction(a, b, options, run.seed)
            return None if shuffled is None else restricted_control(a.vectors, b.vectors, shuffled, options, rules)
        if a.documents is not None and b.documents is not None and shared_documents(a.documents, b.documents):
            return shuffled_control(a.vectors, b.vectors, a.documents, b.documents, options, run.seed, rules)
        return partner_control(self.mined, options, threshold, found.job.scratch.part("control"), rules)


def restriction(a: MiningSide, b: MiningSide, options: Mine, shuffled: int | None = None) -> Restriction | None:
    """What may be paired with what.

    Args:
        a: the first side.
        b: the second side.
        options: the section ``mine`` of params.yaml, of which ``within`` and ``window`` say it.
        shuffled: a seed, with which side a's documents are exchanged for others first, for a control.

    Returns:
        The restriction; None where everything may be paired, or there are too few documents to be shuffled.

    Raises:
        ValueError: if pairs have to be of one document, or of days near each other, and a side has none.
    """
    if options.within == "corpus":
        return None
    by_day = options.within == "window"
    keys_a, keys_b = (side.days if by_day else side.documents for side in (a, b))
    if keys_a is None or keys_b is None:
        raise ValueError(f"sentences without documents can't be mined within a {options.within}")
    return restrict(keys_a, keys_b, options.window if by_day else None, shuffled)


def search_sides(a: MiningSide, b: MiningSide, run: MiningRun) -> SearchedSides:
    """Find the neighbours of two sides in each other, as the options say; memory as in `pipeline.mining.mine`.

    Raises:
        VectorError: if the vectors can't be compared, or one is zero or not finite.
    """
    x, y, options = a.vectors, b.vectors, run.options
    # 1. Which pairs can't be: copies are no neighbours at all, and rows of other documents are not looked at.
    rules = None if run.rules is None else run.rules.between(a.texts, b.texts)
    only = restriction(a, b, options)
    # 2. What the search may use, and where the neighbours go.
    job = search_job(
        options,
        indexes=run.indexes,
        seed=run.seed,
        scratch=ScratchArrays.for_rows(run.scratch, len(x) + len(y), options.k, options.memory_bytes),
        workers=run.workers,
        copies=None if rules is None else rules.copies,
    )
    # 3. The search.
    with progress(run.label, len(x) - (0 if only is None else only.alone_a), "sentences") as advance:
        search = find_neighbors(x, y, replace(job, advance=advance), only)
    return SearchedSides(a, b, run, rules, job, search)


def mine_sides(a: MiningSide, b: MiningSide, run: MiningRun) -> MinedSides:
    """Mine the pairs of two sides that are most likely translations; no threshold is applied.

    Args:
        a: the first side.
        b: the second side.
        run: how they are mined.

    Raises:
        VectorError: if the vectors can't be compared, or one is zero or not finite.
    """
    searched = search_sides(a, b, run)
    return MinedSides(
        searched, mine_neighbors(searched.search.neighbors, run.options, searched.job.scratch, searched.rules)
    )
