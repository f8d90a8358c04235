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

from pipeline.evaluation.correlation import weighted_pearson, weighted_ranks
from pipeline.ground.arrays import Floats

Columns = Mapping[str, NDArray[np.generic]]
Measure = Literal["retrieval", "top-one", "similarity", "mining"]
Statistic = Callable[[Columns, Floats], Floats]

CELLS = 1_000_000
"""Weights at a time: resamples times items."""


def _share(flags: Floats, weights: Floats) -> Floats:
    share: Floats = (weights @ flags) / weights.sum(axis=1)
    return share


def _is(columns: Columns, found: str, target: str) -> Floats:
    same: NDArray[np.bool_] = columns[found].astype(np.int64) == columns[target].astype(np.int64)
    return same.astype(np.float64)


def _forward(columns: Columns, weights: Floats) -> Floats:
    return _share(_is(columns, "found", "target"), weights)


def _backward(columns: Columns, weights: Floats) -> Floats:
    return _share(_is(columns, "found_back", "target"), weights)


def _accuracy(columns: Columns, weights: Floats) -> Floats:
    return (_forward(columns, weights) + _backward(columns, weights)) / 2


def _xsim_forward(columns: Columns, weights: Floats) -> Floats:
    return 1 - _share(_is(columns, "margin", "target"), weights)


def _xsim_backward(columns: Columns, weights: Floats) -> Floats:
    return 1 - _share(_is(columns, "margin_back", "target"), weights)


def _xsim(columns: Columns, weights: Floats) -> Floats:
    return (_xsim_forward(columns, weights) + _xsim_backward(columns, weights)) / 2


def weighted_f1(target: NDArray[np.int64], found: NDArray[np.int64], weights: Floats) -> Floats:
    """scikit-learn's F1 with ``average="weighted"``, which MTEB reports of retrieval, for each row of weights [r].

    Every candidate is a class: Σ over classes c of support(c)·F1(c), with F1(c) = 2·right(c) / (support(c) + found(c)).
    It is below accuracy where one candidate is found for many.

    Args:
        target: the right candidate of each item [n].
        found: the nearest [n]; -1: none.
        weights: [r, n].

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


def _retrieval_f1(columns: Columns, weights: Floats) -> Floats:
    return weighted_f1(columns["target"].astype(np.int64), columns["found"].astype(np.int64), weights)


def _pearson(columns: Columns, weights: Floats) -> Floats:
    return weighted_pearson(columns["cosine"].astype(np.float64), columns["gold"].astype(np.float64), weights)


def _spearman(columns: Columns, weights: Floats) -> Floats:
    cosine, gold = (weighted_ranks(columns[name].astype(np.float64), weights) for name in ("cosine", "gold"))
    return weighted_pearson(cosine, gold, weights)


def _mined(columns: Columns, weights: Floats) -> tuple[Floats, Floats, Floats]:
    extracted, correct, gold = (
        weights @ columns[name].astype(np.float64) for name in ("extracted", "correct", "wanted")
    )
    return extracted, correct, gold


def _mining_f1(columns: Columns, weights: Floats) -> Floats:
    extracted, correct, gold = _mined(columns, weights)
    return 2 * correct / np.maximum(extracted + gold, 1)


def _precision(columns: Columns, weights: Floats) -> Floats:
    extracted, correct, _ = _mined(columns, weights)
    return correct / np.maximum(extracted, 1)


def _recall(columns: Columns, weights: Floats) -> Floats:
    _, correct, gold = _mined(columns, weights)
    return correct / np.maximum(gold, 1)


STATISTICS: dict[Measure, dict[str, Statistic]] = {
    "retrieval": {
        "accuracy": _accuracy, "forward": _forward, "backward": _backward, "f1": _retrieval_f1,
        "xsim": _xsim, "xsim_forward": _xsim_forward, "xsim_backward": _xsim_backward,
    },
    "top-one": {"f1": _retrieval_f1, "accuracy": _forward},
    "similarity": {"spearman": _spearman, "pearson": _pearson},
    "mining": {"f1": _mining_f1, "precision": _precision, "recall": _recall},
}  # fmt: skip
"""Of each measure, its statistics; the first is the main one."""

WITH_INTERVAL = ("accuracy", "xsim", "spearman", "pearson", "f1")
"""Statistics whose intervals are reported; of retrieval, f1 is MTEB's and goes without."""


@dataclass(frozen=True)
class Items:
    """What one model did on one task, item by item."""

    measure: Measure  # which statistics there are
    # arrays [n]; ``retrieval``: target, found, found_back and for xsim margin, margin_back (rows); ``top-one``: target,
    # found; ``similarity``: cosine, gold; ``mining``: extracted, correct, wanted (counts)
    columns: dict[str, NDArray[np.generic]]
    units: str  # see `Task.units`

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
        tasks: by name.
        resamples: how many.
        seed: of NumPy's generator, together with the units' name.
        names: which statistics; those with intervals if None.
    """
    found: dict[str, dict[str, list[Floats]]] = {}
    groups: dict[tuple[str, int], list[str]] = {}
    for name, items in tasks.items():
        groups.setdefault((items.units, len(items)), []).append(name)
        found[name] = {statistic: [] for statistic in names or items.uncertain}
    for (units, size), members in groups.items():
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
