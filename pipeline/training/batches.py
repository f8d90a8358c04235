"""Which pairs make which batch: a pure function of the seed and the step.

A batch holds pairs of one language pair (as in arXiv 2405.16155). An epoch visits every pair once: each language pair's rows
are permuted and cut into batches, and the batches of all are shuffled. Nothing but the step is needed to go on after a stop,
and the batches are the same whatever the number of processes: each takes its part of a batch.

With neighbours, a batch is made of random pairs (seeds, the epoch's permutation) and of pairs of their nearest label points,
so that the teacher's labels inside the batch are not nearly one-hot. Anchors are label points without their pairs: the
teacher's vectors alone (`pipeline.losses.corpus`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.labels.points import LabelPoints
from pipeline.training.anchors import AnchorPlan
from pipeline.training.data import StoredNeighborhoods


@dataclass(frozen=True)
class PairBatch:
    """The pairs of one step."""

    language_pair: int  # the language pair's index
    rows: NDArray[np.int64]  # the pairs' rows in the language pair [n]
    # the label points of the whole corpus that the loss compares the pairs with [c], the pairs' own first; none if the
    # loss asks for none
    anchors: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass
class BatchPlan:
    """Batches by step; holds one epoch's order, 8 bytes a pair.

    Raises:
        ValueError: if no language pair has a pair.
    """

    sizes: Sequence[int]  # pairs of each language pair
    batch_size: int  # pairs a batch, over all processes
    seed: int  # the seed of all randomness
    neighbors_per_pair: int = 0  # 0 for random batches, else how many neighbours join each seed pair
    points: Sequence[LabelPoints] = ()  # the label points of each language pair; needed with neighbours or anchors
    neighbors: Sequence[StoredNeighborhoods] = ()  # the points' neighbourhoods; needed with neighbours
    # how often an epoch draws each pair of each language pair [n], None for once
    weights: Sequence[NDArray[np.float64] | None] = ()
    anchors: AnchorPlan | None = None  # which anchors go with a batch

    def __post_init__(self) -> None:
        if not any(self.sizes):
            raise ValueError("no training pairs")
        self.weights = self.weights or [None] * len(self.sizes)
        # How many pairs an epoch draws of each language pair, and how many of a batch are drawn, not joined as neighbours.
        weighted = zip(self.sizes, self.weights, strict=True)
        self.drawn = [size if weight is None else round(float(weight.sum())) for size, weight in weighted]
        self.seeds_per_batch = max(1, self.batch_size // (1 + self.neighbors_per_pair))
        self._epoch, self._orders, self._schedule = -1, list[NDArray[np.int64]](), np.empty((0, 2), dtype=np.int64)

    @property
    def batches_per_epoch(self) -> int:
        """Batches in which every pair is a seed once.

        A language pair's incomplete last batch is left for the next epoch's permutation, unless it is the only one.
        """
        return sum(self._batches_of(size) for size in self.drawn)

    def batch(self, step: int) -> PairBatch:
        """The batch of a step (from 0)."""
        epoch, place = divmod(step, self.batches_per_epoch)
        self._prepare(epoch)
        language_pair, number = (int(value) for value in self._schedule[place])
        order = self._orders[language_pair]
        rows = order[number * self.seeds_per_batch : (number + 1) * self.seeds_per_batch]
        if self.neighbors_per_pair:
            rows = self._with_neighbors(language_pair, rows, np.random.default_rng([self.seed, 2, step]))
        if self.anchors is None:
            return PairBatch(language_pair, rows)
        points, neighbors = self.points[language_pair], self.neighbors[language_pair]
        anchors = self.anchors.draw(step, points.of_pair[rows], len(points), neighbors)
        return PairBatch(language_pair, rows, anchors)

    def _batches_of(self, size: int) -> int:
        return 0 if size == 0 else max(1, size // self.seeds_per_batch)

    def _prepare(self, epoch: int) -> None:
        """Draw an epoch's order: each language pair's rows, cut into batches, then the batches of all."""
        if epoch == self._epoch:
            return
        generator = np.random.default_rng([self.seed, 1, epoch])
        self._orders = [
            generator.permutation(size) if weight is None else generator.permutation(_draw(weight, drawn, generator))
            for size, weight, drawn in zip(self.sizes, self.weights, self.drawn, strict=True)
        ]
        counts = [self._batches_of(size) for size in self.drawn]
        places = [np.stack([np.full(count, index), np.arange(count)], axis=1) for index, count in enumerate(counts)]
        self._schedule = generator.permutation(np.concatenate(places))
        self._epoch = epoch

    def _with_neighbors(
        self, language_pair: int, seeds: NDArray[np.int64], generator: np.random.Generator
    ) -> NDArray[np.int64]:
        """The seeds' rows, and those of one pair of each of their nearest points: rows of one batch, each once."""
        points, neighbors = self.points[language_pair], self.neighbors[language_pair]
        near = neighbors.point[points.of_pair[seeds]][:, : self.neighbors_per_pair].reshape(-1)
        near = near[near >= 0]
        taken = np.unique(points.of_pair[seeds])
        near = np.unique(near[~np.isin(near, taken)])
        rows = np.concatenate([seeds, points.first_pair[near]])[: self.batch_size]
        if (short := min(self.batch_size, self.sizes[language_pair]) - len(rows)) > 0:
            # Neighbours that several seeds share came once: fill up with random pairs that are not there yet.
            others = generator.permutation(self.sizes[language_pair])[: self.batch_size + short]
            rows = np.concatenate([rows, others[~np.isin(others, rows)][:short]])
        return rows


def _draw(weights: NDArray[np.float64], count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Systematic sampling: ``count`` rows, each drawn its weight's whole number of times and once more by its fraction."""
    places = (np.arange(count) + generator.random()) * (float(weights.sum()) / max(count, 1))
    return np.minimum(np.searchsorted(np.cumsum(weights), places, side="right"), len(weights) - 1)
