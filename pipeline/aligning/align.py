r"""Sentence alignment of two documents, in time and memory that grow with their length (Thompson and Koehn, 2019).

1. *Coarser.* The vectors of adjacent sentences are averaged two by two, again and again, until the grid of both documents
   is small enough (``FULL`` x ``FULL`` nodes) to be searched whole. What all vectors of a level share, their mean, is taken
   away: averages of neighbours are all much alike.
2. *Coarsest.* There the cheapest path of 1-1 alignments and gaps is found, anywhere.
3. *Finer.* Each level looks at most ``reach`` columns away from the path of the level above, twice as long, still 1-1;
   between two alignments, a path that leaves sentences out is taken as straight.
4. *Finest.* The sentences themselves, with all alignments of up to ``most`` sentences a side. Documents that are small
   from the start come here at once, and are searched whole.
5. *Lengths.* The same once more, with the lengths of the texts: their ratio is known from the path that was found without.

`pipeline.aligning.costs` has the costs, `pipeline.aligning.band` the search.

Brian Thompson and Philipp Koehn (2019): Vecalign: Improved Sentence Alignment in Linear Time and Space. EMNLP-IJCNLP.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.aligning.band import Band, around, best_path, whole
from pipeline.aligning.blocks import Blocks
from pipeline.aligning.costs import Costs, Lengths, distance
from pipeline.ground.arrays import Floats, Rows

FULL = 300
"""Sentences of either side whose whole grid is searched, where both sides are equally long."""


@dataclass(frozen=True)
class AlignOptions:
    """How documents are aligned; but for lengths, which the authors don't use, the defaults are theirs.

    Attributes:
        most: sentences of one side that may stand in one alignment.
        quantile: what a sentence without counterpart costs: this quantile of the costs of random pairs.
        reach: how far from the coarser path a finer one may lie, in sentences.
        lengths: how much the texts' lengths count; 0: not at all.
        seed: the seed of the random pairs.
    """

    most: int = 4
    quantile: float = 0.2
    reach: int = 10
    lengths: float = 0.15
    seed: int = 0


@dataclass(frozen=True)
class Alignment:
    """Two documents, aligned: k alignments in order, each of a block of either side; one of them may be empty.

    Attributes:
        nodes: where each begins, and where the last one ends [k + 1, 2]: alignment t has the sentences from
            ``nodes[t]`` to before ``nodes[t + 1]`` of both sides.
        cosine: the cosine of the two blocks [k]; NaN where one is empty.
        mean_a: the mean cosine of side a's block with those of side b [k]; NaN as above.
        mean_b: the mean cosine of side b's block with those of side a [k]; NaN as above.
    """

    nodes: Rows
    cosine: Floats
    mean_a: Floats
    mean_b: Floats

    def __len__(self) -> int:
        return len(self.nodes) - 1

    @property
    def sizes(self) -> Rows:
        """How many sentences of each side stand in each alignment [k, 2]."""
        return np.diff(self.nodes, axis=0)

    @property
    def paired(self) -> NDArray[np.bool_]:
        """Which alignments have sentences on both sides [k]."""
        return np.asarray((self.sizes > 0).all(axis=1), dtype=np.bool_)

    @property
    def score(self) -> Floats:
        r"""Of each alignment [k]: :math:`(\cos - \mu) / (1 - \mu)`, where :math:`\mu` is the mean of both means.

        1: equal vectors; 0: as alike as any two blocks of these documents. NaN where one side is empty.
        """
        return 1.0 - distance(self.cosine, self.mean_a, self.mean_b)

    @property
    def support(self) -> float:
        """The mean score of all sentences of both sides; one without a counterpart has 0."""
        weights = self.sizes.sum(axis=1)
        return float((np.nan_to_num(self.score) * weights).sum() / max(weights.sum(), 1))


def align(x: Blocks, y: Blocks, options: AlignOptions, sizes: tuple[Rows, Rows] | None = None) -> Alignment:
    """Align two documents.

    Args:
        x: side a's blocks [``options.most``, n, d].
        y: side b's blocks [``options.most``, m, d].
        options: the parameters of the search.
        sizes: the bytes of each sentence of both sides [n], [m]; None: lengths don't count.
    """
    n, m = x.shape[1], y.shape[1]
    costs = Costs.of(x, y)
    if n == 0 or m == 0:
        return _described(costs, whole_gap(n, m))
    moves = [(p, q) for p in range(1, options.most + 1) for q in range(1, options.most + 1)]
    gap = costs.penalty(options.quantile, options.seed)
    band = _band(x[:1], y[:1], options)
    nodes = best_path(costs, moves, gap, band)
    if sizes is not None and options.lengths > 0:
        nodes = best_path(costs, moves, gap, band, Lengths.of(*sizes, options.lengths, nodes))
    return _described(costs, nodes)


def backwards(blocks: Blocks) -> Blocks:
    """A document's blocks as if its sentences stood in reverse order (inside of a block they don't).

    Alignment with a document backwards is a control: it shows what score is reached where there is nothing to find.
    """
    found = np.zeros_like(blocks)
    for before in range(min(len(blocks), blocks.shape[1])):
        found[before, before:] = blocks[before, before:][::-1]
    return found


def whole_gap(n: int, m: int) -> Rows:
    """The path that leaves out every sentence, first of side a, then of side b."""
    along = np.arange(n + m + 1)
    return np.stack([np.minimum(along, n), np.maximum(along - n, 0)], axis=1)


def _band(x: Blocks, y: Blocks, options: AlignOptions) -> Band:
    """Where to look for the alignment of documents, from their single sentences [1, n or m, d]: steps 1 to 3."""
    n, m = x.shape[1], y.shape[1]
    if n * m <= FULL * FULL:
        return whole(n, m)
    coarse_x, coarse_y = coarser(x), coarser(y)
    costs = Costs.of(coarse_x, coarse_y)
    gap = costs.penalty(options.quantile, options.seed)
    nodes = best_path(costs, [(1, 1)], gap, _band(coarse_x, coarse_y, options))
    return around(np.minimum(2 * _without_gaps(nodes), [n, m]), options.reach)


def coarser(blocks: Blocks) -> Blocks:
    """Sentences [1, n, d], averaged two by two (an odd last one stands alone), less their mean, normalised [1, n/2, d]."""
    one = blocks[0].astype(np.float32)
    half = one[::2].copy()
    half[: len(one) // 2] += one[1::2]
    half /= np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-12)
    half -= half.mean(axis=0)
    half /= np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-12)
    return np.asarray(half[None])


def _without_gaps(nodes: Rows) -> Rows:
    """The nodes of a path of 1-1 alignments and gaps where alignments begin or end, and its two ends."""
    aligned = (np.diff(nodes, axis=0) == 1).all(axis=1)
    keep = np.zeros(len(nodes), np.bool_)
    keep[[0, -1]] = True
    keep[:-1] |= aligned
    keep[1:] |= aligned
    return nodes[keep]


def _described(costs: Costs, nodes: Rows) -> Alignment:
    sizes = np.diff(nodes, axis=0)
    both = (sizes > 0).all(axis=1)
    (i, j), (p, q) = (nodes[1:][both] - 1).T, sizes[both].T
    columns = []
    for found in (costs.cosines(i, j, p, q), costs.mean_x[p - 1, i], costs.mean_y[q - 1, j]):
        column = np.full(len(sizes), np.nan)
        column[both] = found
        columns.append(column)
    return Alignment(nodes, *columns)
