r"""The cheapest monotonic path through a band of the grid of two documents, by dynamic programming.

A node (i, j) says that i sentences of side a and j of side b are done. A *move* (p, q) aligns the next p sentences of side a
with the next q of side b; (1, 0) and (0, 1) leave one sentence out. With the cost c of a move and the penalty g,

.. math:: D(i, j) = \min\bigl(D(i - 1, j) + g,\; D(i, j - 1) + g,\;
          \min_{p, q} D(i - p, j - q) + c(x_{i-p+1 \dots i},\, y_{j-q+1 \dots j})\bigr)

Nodes are visited by antidiagonal, i + j, so that all of one antidiagonal are computed at once: none depends on another. Of
each antidiagonal only ``width`` nodes are looked at, from column ``low`` on; time and memory are those of the band.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.aligning.costs import Costs, Lengths, distance, links
from pipeline.ground.arrays import Floats, Rows

Move = tuple[int, int]

TIE = 1e-3
"""Added to every distance and to the penalty, so that of blocks that are equally alike, to rounding, the smallest are
aligned (a document with itself: sentence by sentence)."""

STEP = 128
"""Antidiagonals whose costs are computed together: enough for one large matrix product, few enough to hold."""


@dataclass(frozen=True)
class Band:
    """Which nodes are looked at.

    Attributes:
        low: the first column (j) of each antidiagonal [n + m + 1]; from one to the next it grows by 0 or 1.
        width: columns of each antidiagonal.
    """

    low: Rows
    width: int


def whole(n: int, m: int) -> Band:
    """All nodes of a grid of n and m sentences."""
    return Band(np.maximum(np.arange(n + m + 1) - n, 0), min(n, m) + 1)


def around(nodes: Rows, reach: int) -> Band:
    """The nodes at most ``reach`` columns from a path.

    Args:
        nodes: the path's nodes [k, 2], from (0, 0) to (n, m); between two of them it is straight.
        reach: columns on either side.
    """
    total = nodes.sum(axis=1)
    column = np.interp(np.arange(total[-1] + 1), total, nodes[:, 1])
    return Band(np.floor(column + 0.5).astype(np.int64) - reach, 2 * reach + 1)


def best_path(costs: Costs, moves: list[Move], gap: float, band: Band, lengths: Lengths | None = None) -> Rows:
    """The nodes [k, 2] of the cheapest path from (0, 0) to (n, m) inside a band; of equally cheap moves the first one.

    Args:
        costs: the distances of both documents' blocks, which must be as large as the moves.
        moves: the moves that align sentences.
        gap: the cost of leaving a sentence out.
        band: the nodes to look at; it must hold a path of moves and gaps.
        lengths: the sentences' lengths, if they count.
    """
    n, m = costs.lengths
    steps = np.array([*moves, (1, 0), (0, 1)], np.int64)
    # What the cheapest path to each node costs, an antidiagonal a row, and the step that it came by. A last column that is
    # never reached takes the place of nodes outside of the band.
    total = np.full((n + m + 1, band.width + 1), np.inf)
    total[0, -band.low[0]] = 0.0
    taken = np.zeros((n + m + 1, band.width), np.int8)
    flat, columns = total.reshape(-1), np.arange(band.width)
    for start in range(1, n + m + 1, STEP):
        # Many antidiagonals at once: what their steps cost, and where these come from, hang on no other result.
        antidiagonals = np.arange(start, min(start + STEP, n + m + 1))
        cost = _step_costs(costs, moves, gap, band, antidiagonals, lengths)
        before = _nodes_before(steps, band, antidiagonals)
        # One after the other: each node takes its cheapest step, from nodes of antidiagonals that are done.
        for place, antidiagonal in enumerate(antidiagonals):
            reached = flat[before[place]] + cost[place]
            best = reached.argmin(axis=0)
            total[antidiagonal, :-1] = reached[best, columns]
            taken[antidiagonal] = best
    return _trace_back(steps, taken, band, n, m)


def _grid(band: Band, antidiagonals: Rows) -> tuple[Rows, Rows]:
    """Rows and columns of the band's nodes, [antidiagonals, width] each; some lie outside of the grid."""
    column = band.low[antidiagonals][:, None] + np.arange(band.width)
    return antidiagonals[:, None] - column, column


def _step_costs(
    costs: Costs, moves: list[Move], gap: float, band: Band, antidiagonals: Rows, lengths: Lengths | None
) -> Floats:
    """What each move costs that ends in each node [antidiagonals, moves and two gaps, width]; infinite if it can't."""
    n, m = costs.lengths
    # The two gaps, in nodes of the grid that a sentence comes before.
    row, column = _grid(band, antidiagonals)
    inside = (row >= 0) & (row <= n) & (column >= 0) & (column <= m)
    found = np.full((len(antidiagonals), len(moves) + 2, band.width), np.inf)
    found[:, -2][inside & (row >= 1)] = gap + TIE
    found[:, -1][inside & (column >= 1)] = gap + TIE
    last_a, last_b = np.clip(row - 1, 0, n - 1), np.clip(column - 1, 0, m - 1)
    # All cosines of the part of the grid that these antidiagonals cross, in one product.
    a0, b0 = int(last_a.min()), int(last_b.min())
    x = _widened(costs.x[:, a0 : int(last_a.max()) + 1])
    y = _widened(costs.y[:, b0 : int(last_b.max()) + 1])
    cosine = (x.reshape(-1, x.shape[2]) @ y.reshape(-1, y.shape[2]).T).reshape(*x.shape[:2], *y.shape[:2])
    for place, (p, q) in enumerate(moves):
        # Nodes with enough sentences before them, and the last sentences of the blocks that end there.
        possible = inside & (row >= p) & (column >= q)
        i, j = last_a[possible], last_b[possible]
        away = distance(cosine[p - 1, i - a0, q - 1, j - b0], costs.mean_x[p - 1, i], costs.mean_y[q - 1, j])
        cost = links(p, q) * (away + TIE)
        found[:, place][possible] = cost if lengths is None else cost + lengths.cost(i, j, p, q)
    return found


def _widened(blocks: NDArray[Any]) -> NDArray[np.float32]:
    return blocks.astype(np.float32, copy=False)


def _nodes_before(steps: Rows, band: Band, antidiagonals: Rows) -> Rows:
    """Where each step comes from, as a position in the flat table [antidiagonals, steps, width]."""
    column = _grid(band, antidiagonals)[1]
    antidiagonal = antidiagonals[:, None] - steps.sum(axis=1)  # [antidiagonals, steps]
    there = np.maximum(antidiagonal, 0)
    place = column[:, None, :] - steps[:, 1][None, :, None] - band.low[there][:, :, None]
    outside = (antidiagonal < 0)[:, :, None] | (place < 0) | (place >= band.width)
    before: Rows = there[:, :, None] * (band.width + 1) + np.where(outside, band.width, place)
    return before


def _trace_back(steps: Rows, taken: NDArray[np.int8], band: Band, n: int, m: int) -> Rows:
    nodes = [(n, m)]
    # Back from the end, by the step that each node was reached by: rows are antidiagonals, columns those of the band.
    while nodes[-1] != (0, 0):
        i, j = nodes[-1]
        p, q = steps[taken[i + j, j - band.low[i + j]]].tolist()
        nodes.append((i - p, j - q))
    return np.array(nodes[::-1], np.int64)
