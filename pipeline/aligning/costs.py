r"""What it costs to align two blocks of sentences (Thompson and Koehn, 2019, *Vecalign*, section 3).

For a block x of :math:`|x|` sentences on side a and a block y of :math:`|y|` on side b, with L2-normalised vectors,

.. math:: c(x, y) = L(|x|, |y|)\,\frac{2\,(1 - \cos(x, y))}{\delta_b(x) + \delta_a(y)}, \qquad
          \delta_b(x) = \operatorname{mean}_{y'}\,(1 - \cos(x, y')), \qquad L(p, q) = \frac{p q + (p + q - 1)}{2}

where y' are blocks of side b: a distance of 1 is that of any two blocks of these documents, whatever the model's cosines are
like. The factor L makes one large alignment cost as much as the small ones it could be taken apart into, if it is no better.
The authors' is :math:`p q`: every sentence belongs to every one of the other side. But where sentences are only cut at other
places, in order, an alignment links :math:`p + q - 1` pairs of sentences; L is the mean of both.
The authors draw the y' at random; but the mean cosine with any vectors is the cosine with their mean, so all
blocks of the other side serve at once, at no more cost, and nothing is drawn.

To it comes how unlike the lengths are (Gale and Church, 1993): where half a sentence has gone into the next one, the joined
blocks are hardly more alike than the single sentences are, but lengths tell. With :math:`l` bytes of UTF-8 on side a and
:math:`l'` on side b, from which the ratio of both documents is taken away,

.. math:: \lambda \min\bigl(\tfrac{1}{2} z^2, \kappa\bigr), \qquad z^2 = \frac{(l - l')^2}{\sigma^2 (l + l') / 2}

is added once for each alignment: half of :math:`z^2` is the negative logarithm of a normal density, :math:`\sigma^2` is Gale
and Church's variance a letter, and :math:`\kappa` lets a free translation be possible.

A sentence without a counterpart costs a fixed penalty, a quantile (0.2) of the cost of pairs of sentences that are
drawn at random: what is less alike than that is better left unaligned. In a short document many of all pairs are
translations: one in max(n, m), which are set aside (the share :math:`s` of the lowest costs, so the quantile is
:math:`s + (1 - s)\,q`); in a long one this is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.aligning.blocks import Blocks
from pipeline.ground.arrays import Floats, Rows

SAMPLE = 20_000
"""Pairs of sentences whose costs the penalty is a quantile of."""

CHUNK = 4_096
"""Vectors that are widened to float32 at once."""

VARIANCE = 6.8
"""The variance of a translation's length, a letter (Gale and Church, 1993)."""

MOST_UNLIKE = 8.0
"""The largest negative logarithm that lengths may have: four standard deviations."""

TINY = 1e-6
"""Least mean distance: a document may be one sentence, over and over."""


@dataclass(frozen=True)
class Lengths:
    """How long the sentences of two documents are, and how much that counts.

    Attributes:
        ends_a: the bytes of side a before each sentence, and of the whole document [n + 1], of which the documents' ratio
            is taken away.
        ends_b: the bytes of side b [m + 1].
        weight: the factor of the negative logarithm.
    """

    ends_a: Floats
    ends_b: Floats
    weight: float

    @classmethod
    def of(cls, a: Rows, b: Rows, weight: float, nodes: Rows) -> Self:
        """The lengths of two documents.

        Args:
            a: the bytes of each sentence of side a [n].
            b: the bytes of each sentence of side b [m].
            weight: the factor of the negative logarithm.
            nodes: a path of alignments [k, 2]; the ratio is that of the text which it aligns, so that a chapter that one
                side lacks doesn't count.
        """
        ends_a, ends_b = (np.concatenate([[0], np.cumsum(side)]).astype(np.float64) for side in (a, b))
        steps = np.stack([np.diff(ends_a[nodes[:, 0]]), np.diff(ends_b[nodes[:, 1]])], axis=1)
        total_a, total_b = steps[(np.diff(nodes, axis=0) > 0).all(axis=1)].sum(axis=0)
        root = np.sqrt(max(total_b, 1) / max(total_a, 1))
        return cls(ends_a * root, ends_b / root, weight)

    def cost(self, last_a: Rows, last_b: Rows, p: int, q: int) -> Floats:
        """What it costs that blocks are not equally long [k].

        Args:
            last_a: the last sentence of each block of side a [k].
            last_b: the last sentence of each block of side b [k].
            p: the sentences of the blocks of side a.
            q: the sentences of the blocks of side b.
        """
        a = self.ends_a[last_a + 1] - self.ends_a[last_a + 1 - p]
        b = self.ends_b[last_b + 1] - self.ends_b[last_b + 1 - q]
        unlike: Floats = (a - b) ** 2 / (VARIANCE * (a + b))
        return self.weight * np.minimum(unlike, MOST_UNLIKE)


@dataclass(frozen=True)
class Costs:
    """Two documents' blocks, and how far each is from the other document as a whole.

    Attributes:
        x: side a's blocks [sizes, n, d].
        y: side b's blocks [sizes, m, d].
        mean_x: the mean cosine of each block of side a with those of side b [sizes, n].
        mean_y: the mean cosine of each block of side b with those of side a [sizes, m].
    """

    x: Blocks
    y: Blocks
    mean_x: NDArray[np.float32]
    mean_y: NDArray[np.float32]

    @classmethod
    def of(cls, x: Blocks, y: Blocks) -> Self:
        """The costs between two documents, from their blocks."""
        return cls(x, y, _dot(x, _mean(y)), _dot(y, _mean(x)))

    @property
    def lengths(self) -> tuple[int, int]:
        """The sentences of both sides."""
        return self.x.shape[1], self.y.shape[1]

    def cosines(self, rows: Rows, columns: Rows, size_a: Rows, size_b: Rows) -> Floats:
        """The cosines [k] of blocks that end with given sentences and have given sizes (all [k], sizes at least 1)."""
        found = np.empty(len(rows), np.float64)
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            a = self.x[size_a[part] - 1, rows[part]].astype(np.float32)
            b = self.y[size_b[part] - 1, columns[part]].astype(np.float32)
            found[part] = np.einsum("kd,kd->k", a, b)
        return found

    def penalty(self, quantile: float, seed: int) -> float:
        """What a sentence without a counterpart costs: a quantile of the costs of pairs of single sentences.

        Both documents must have sentences.

        Args:
            quantile: 0-1.
            seed: the seed of the pairs that are drawn, where there are more than `SAMPLE`.
        """
        n, m = self.lengths
        if n * m <= SAMPLE:
            rows, columns = (grid.ravel() for grid in np.indices((n, m)))
        else:
            generator = np.random.default_rng(seed)
            rows, columns = generator.integers(n, size=SAMPLE), generator.integers(m, size=SAMPLE)
        one = np.ones(len(rows), np.int64)
        costs = distance(
            self.cosines(rows, columns, one, one), self.mean_x[0, rows].astype(float), self.mean_y[0, columns]
        )
        aside = 1 / max(n, m)
        return float(np.quantile(costs, aside + (1 - aside) * quantile))


def links(p: int, q: int) -> float:
    """How many pairs of sentences an alignment of p with q sentences links; see the module.

    >>> links(1, 1), links(1, 3), links(2, 2)
    (1.0, 3.0, 3.5)
    """
    return (p * q + p + q - 1) / 2


def distance(cosine: Floats, mean_x: NDArray[np.floating], mean_y: NDArray[np.floating]) -> Floats:
    """The normalised distance of blocks, without the factor of their sizes; never negative. All of one shape."""
    away: Floats = np.maximum(2.0 - mean_x - mean_y, TINY)
    return np.maximum(2.0 * (1.0 - cosine), 0.0) / away


def _mean(blocks: Blocks) -> NDArray[np.float32]:
    """The mean vector [d] of all blocks there are."""
    sizes, n, dimension = blocks.shape
    total = np.zeros(dimension, np.float64)
    for start in range(0, n, CHUNK):
        total += blocks[:, start : start + CHUNK].astype(np.float32).sum(axis=(0, 1))
    count = sum(max(n - size, 0) for size in range(sizes))
    return np.asarray(total / max(count, 1), dtype=np.float32)


def _dot(blocks: Blocks, vector: NDArray[np.float32]) -> NDArray[np.float32]:
    found = np.empty(blocks.shape[:2], np.float32)
    for start in range(0, blocks.shape[1], CHUNK):
        found[:, start : start + CHUNK] = blocks[:, start : start + CHUNK].astype(np.float32) @ vector
    return found
