"""Correlations of weighted items, for many rows of weights at once; exact, with ties at their mean rank."""

from __future__ import annotations

import numpy as np

from pipeline.ground.arrays import Floats


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
