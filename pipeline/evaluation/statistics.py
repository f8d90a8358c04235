"""What a score is computed from: items, and weights that say how often each counts.

A whole score has weight 1 everywhere, a clean one 0 on contaminated items, and a bootstrap's resample how often each item
was drawn (Efron 1979). One function serves all three, and the comparison of models besides. All are exact: Spearman's
ranks are those of the weighted items, ties at their mean rank.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.ground.arrays import Floats

Columns = Mapping[str, NDArray[np.generic]]
Measure = Literal["retrieval", "top-one", "similarity", "mining"]
Statistic = Callable[[Columns, Floats], Floats]

CELLS = 1_000_000
"""Weights at a time: resamples times items."""


def _hits(*found: str) -> Statistic:
    """The share of items whose target is in a column, the mean over several columns."""

    def share(columns: Columns, weights: Floats) -> Floats:
        hits = [(columns[name] == columns["target"]).astype(np.float64) for name in found]
        total: Floats = (weights @ np.mean(hits, axis=0)) / weights.sum(axis=1)
        return total

    return share


def _misses(*found: str) -> Statistic:
    """The share of items whose target is not in a column: xsim, an error rate."""
    hits = _hits(*found)
    return lambda columns, weights: 1 - hits(columns, weights)


def _counted(above: Sequence[str], below: Sequence[str]) -> Statistic:
    """Twice or once a count over the sum of others: precision, recall and F1 of mined pairs; 0 where there are none."""

    def ratio(columns: Columns, weights: Floats) -> Floats:
        sums = [sum(weights @ columns[name].astype(np.float64) for name in names) for names in (above, below)]
        return np.asarray(sums[0] / np.maximum(sums[1], 1), dtype=np.float64)

    return ratio


def weighted_f1(target: NDArray[np.int64], found: NDArray[np.int64], weights: Floats) -> Floats:
    """scikit-learn's F1 with ``average="weighted"``, which MTEB reports of retrieval, for each row of weights [r].

    Every candidate is a class: Σ over classes c of support(c)·F1(c), with F1(c) = 2·right(c) / (support(c) + found(c)).
    It is below accuracy where one candidate is found for many.

    Args:
        target: the right candidate of each item [n].
        found: the nearest [n]; -1: none.
        weights: how often each item counts, in each of r resamples [r, n].

    >>> weighted_f1(np.array([0, 1, 2]), np.array([0, 0, 2]), np.ones((1, 3))).round(4).tolist()
    [0.5556]
    """
    classes, inverse = np.unique(np.concatenate([target, found]), return_inverse=True)
    of_target, of_found = inverse[: len(target)], inverse[len(target) :]
    right = of_target == of_found
    out = np.empty(len(weights))
    for row, weight in enumerate(weights):
        support = np.bincount(of_target, weight, len(classes))
        predicted = np.bincount(of_found, weight, len(classes))
        correct = np.bincount(of_target, weight * right, len(classes))
        there = support > 0
        total = (support[there] * 2 * correct[there] / (support[there] + predicted[there])).sum()
        out[row] = total / weight.sum()
    return out


def weighted_pearson(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Pearson's correlation of two columns [n] or, for each row of weights, [r, n]; NaN where one is constant.

    >>> weighted_pearson(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 5.0]), np.ones((1, 3))).round(4).tolist()
    [0.982]
    """
    total = weights.sum(axis=1, keepdims=True)
    x = x - (weights * x).sum(axis=1, keepdims=True) / total
    y = y - (weights * y).sum(axis=1, keepdims=True) / total
    weighted = weights * x
    with np.errstate(invalid="ignore", divide="ignore"):
        out: Floats = (weighted * y).sum(axis=1) / np.sqrt((weighted * x).sum(axis=1) * (weights * y * y).sum(axis=1))
    return out


def weighted_ranks(values: Floats, weights: Floats) -> Floats:
    """The mean rank [r, n] of each value [n] when every item stands as often as its weight [r, n] says.

    >>> weighted_ranks(np.array([5.0, 1.0, 5.0]), np.ones((1, 3))).tolist()
    [[2.5, 1.0, 2.5]]
    """
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(values[order]) != 0])
    sizes = np.diff(np.r_[starts, len(values)])
    groups = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.cumsum(groups, axis=1) - (groups - 1) / 2
    out = np.empty_like(weights)
    out[:, order] = np.repeat(ranks, sizes, axis=1)
    return out


def _retrieval_f1(columns: Columns, weights: Floats) -> Floats:
    return weighted_f1(columns["target"].astype(np.int64), columns["found"].astype(np.int64), weights)


def _pearson(columns: Columns, weights: Floats) -> Floats:
    return weighted_pearson(columns["cosine"].astype(np.float64), columns["gold"].astype(np.float64), weights)


def _spearman(columns: Columns, weights: Floats) -> Floats:
    cosine, gold = (weighted_ranks(columns[name].astype(np.float64), weights) for name in ("cosine", "gold"))
    return weighted_pearson(cosine, gold, weights)


STATISTICS: dict[Measure, dict[str, Statistic]] = {
    "retrieval": {
        "accuracy": _hits("found", "found_back"),
        "forward": _hits("found"),
        "backward": _hits("found_back"),
        "f1": _retrieval_f1,
        "xsim": _misses("margin", "margin_back"),
        "xsim_forward": _misses("margin"),
        "xsim_backward": _misses("margin_back"),
    },
    "top-one": {"f1": _retrieval_f1, "accuracy": _hits("found")},
    "similarity": {"spearman": _spearman, "pearson": _pearson},
    "mining": {
        "f1": _counted(("correct", "correct"), ("extracted", "wanted")),
        "precision": _counted(("correct",), ("extracted",)),
        "recall": _counted(("correct",), ("wanted",)),
    },
}
"""Of each measure, its statistics; the first is the main one."""

WITH_INTERVAL = ("accuracy", "xsim", "spearman", "pearson", "f1")
"""Statistics whose intervals are reported; of retrieval, f1 is MTEB's and goes without."""


@dataclass(frozen=True)
class Items:
    """What one model did on one task, item by item."""

    measure: Measure  # the name of its statistics in `STATISTICS`
    # arrays [n]; ``retrieval``: target, found, found_back and for xsim margin, margin_back (rows); ``top-one``: target,
    # found; ``similarity``: cosine, gold; ``mining``: extracted, correct, wanted (counts)
    columns: dict[str, NDArray[np.generic]]
    units: str  # what resamples draw; see `Task.units`

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def main(self) -> str:
        """The statistic that stands for the task."""
        return next(iter(STATISTICS[self.measure]))

    @property
    def names(self) -> list[str]:
        """The statistics that these columns allow."""
        return [name for name in STATISTICS[self.measure] if "margin" in self.columns or not name.startswith("xsim")]

    @property
    def uncertain(self) -> list[str]:
        """The statistics that get an interval."""
        return [n for n in self.names if n in WITH_INTERVAL and (self.measure, n) != ("retrieval", "f1")]

    def values(self, weights: Floats | None = None, names: Sequence[str] | None = None) -> dict[str, Floats]:
        """Statistics for each row of weights [r, n] (of ones if None)."""
        weights = np.ones((1, len(self))) if weights is None else weights
        return {name: STATISTICS[self.measure][name](self.columns, weights) for name in names or self.names}


def bootstrap(
    tasks: Mapping[str, Items], resamples: int, seed: int, names: Sequence[str] | None = None
) -> dict[str, dict[str, Floats]]:
    """Statistics [resamples] of every task over resamples of its items, with replacement.

    Tasks of the same units and length are drawn together, so their mean's interval knows that they are about the same
    sentences; and two models with the same tasks and seed are drawn alike, so their difference is paired. Holds
    `CELLS` weights and the results in memory.

    Args:
        tasks: the tasks' items, by name.
        resamples: how many resamples are drawn.
        seed: what NumPy's generator starts from, together with the units' name.
        names: the statistics that are wanted; those with intervals if None.
    """
    found: dict[str, dict[str, list[Floats]]] = {}
    # Tasks about the same sentences are drawn together.
    groups: dict[tuple[str, int], list[str]] = {}
    for name, items in tasks.items():
        groups.setdefault((items.units, len(items)), []).append(name)
        found[name] = {statistic: [] for statistic in names or items.uncertain}
    for (units, size), members in groups.items():
        # A generator of their own, so that another task beside them changes nothing.
        own = int.from_bytes(blake2b(f"{units}\0{size}".encode(), digest_size=8).digest())
        generator = np.random.default_rng([seed, own])
        step = max(1, CELLS // max(size, 1))
        for start in range(0, resamples, step):
            weights = _draw(generator, min(step, resamples - start), size)
            for name in members:
                for statistic, values in tasks[name].values(weights, list(found[name])).items():
                    found[name][statistic].append(values)
    return {name: {statistic: np.concatenate(values) for statistic, values in of.items()} for name, of in found.items()}


def _draw(generator: np.random.Generator, resamples: int, size: int) -> Floats:
    drawn = generator.integers(0, size, (resamples, size)) + np.arange(resamples)[:, None] * size
    counts = np.bincount(drawn.ravel(), minlength=resamples * size)
    return counts.reshape(resamples, size).astype(np.float64)
