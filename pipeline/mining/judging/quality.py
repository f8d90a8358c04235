"""What an approximate search cost, measured on a sample that is also searched exactly.

Of some rows of side a the k nearest neighbours are found exactly, then those of these neighbours, and of the best of
them theirs in turn. That is enough for the exact margins of the sampled rows and for the pairs in which both sides are
each other's best: the pairs that exact mining would surely link. It costs about 9 searches a sampled row for k = 4.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.ground.arrays import CHUNK, Floats, Rows
from pipeline.mining.margin import Score, margin, neighborhood_means
from pipeline.mining.mine import Mined
from pipeline.search.job import SearchJob
from pipeline.search.neighbors import Neighbors, neighbor_recall
from pipeline.search.samples import Sampler, sampling
from pipeline.search.vectors import VectorSource


@dataclass(frozen=True)
class ApproximationCost:
    """What approximation cost.

    Attributes:
        sample: rows of side a searched exactly.
        recall_forward: share of their exact neighbours that were found.
        recall_backward: the share of the exact neighbours of their neighbours on side b that were found.
        mutual_pairs: exact pairs in which both sides are each other's best, among sampled rows.
        recall_pairs: share of these that approximate mining linked; NaN if there are none.
        accepted_pairs: mutual pairs whose exact score reaches the threshold; all of them without a threshold.
        recall_accepted: share of these that approximate mining linked and accepted; NaN if there are none.
        margin_shift: mean of approximate minus exact score of the pairs found both ways.
        margin_shift_worst: the greatest such difference in either direction.
        threshold: the threshold in use, or None.
        threshold_shift: the number to be added to it so that as large a share of the pairs found both ways is accepted.
    """

    sample: int
    recall_forward: float
    recall_backward: float
    mutual_pairs: int
    recall_pairs: float
    accepted_pairs: int
    recall_accepted: float
    margin_shift: float
    margin_shift_worst: float
    threshold: float | None
    threshold_shift: float | None

    def as_metrics(self) -> dict[str, Any]:
        """For a metrics file; what is undefined is None."""
        return {
            name: None if isinstance(value, float) and np.isnan(value) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True)
class ExactSample:
    """Exact mining of some rows.

    Attributes:
        rows: the sampled rows of side a [s], sorted.
        forward: their exact similarities [s, k].
        touched: the rows of side b [t] that are neighbours of these, sorted.
        backward: their exact similarities [t, k].
        row_a: the mutual best pairs' rows of side a [p].
        row_b: their rows of side b [p].
        score: their exact scores [p].
    """

    rows: Rows
    forward: NDArray[np.float32]
    touched: Rows
    backward: NDArray[np.float32]
    row_a: Rows
    row_b: Rows
    score: Floats


def exact_sample(x: VectorSource, y: VectorSource, job: SearchJob, score: Score) -> ExactSample:
    """Search the job's ``sample`` of rows of side a exactly, and what their margins need.

    Args:
        x: side a's vectors [n, d].
        y: side b's vectors [m, d].
        job: k, sample and seed; its workers search, if it has any.
        score: the score that chooses.

    Raises:
        VectorError: if the sides can't be compared, or a vector is zero or not finite.
    """
    count = min(job.sample, len(x)) if len(y) else 0
    rows = np.empty(0, np.int64)
    if count:
        rows = np.sort(np.random.default_rng(job.seed).choice(len(x), count, replace=False))
    with sampling(x, y, job) as sampler:
        return _exact_sample(rows, sampler, score)


def _exact_sample(rows: Rows, search: Sampler, score: Score) -> ExactSample:
    forward, b = search(True, rows)
    touched = np.unique(b[b >= 0])
    backward, _ = search(False, touched)
    best_b, best_score = _best(forward, b, neighborhood_means(forward), touched, backward, score)
    # The other direction: what the chosen rows of side b choose among their own neighbours.
    chosen = np.unique(best_b[best_b >= 0])
    back, a = search(False, chosen)
    others = np.unique(a[a >= 0])
    best_a, _ = _best(back, a, neighborhood_means(back), others, search(True, others)[0], score)
    mutual = np.zeros(len(rows), dtype=np.bool_)
    there = best_b >= 0
    mutual[there] = best_a[np.searchsorted(chosen, best_b[there])] == rows[there]
    return ExactSample(rows, forward, touched, backward, rows[mutual], best_b[mutual], best_score[mutual])


def _best(
    similarity: NDArray[np.float32],
    row: Rows,
    own: Floats,
    others: Rows,
    others_similarity: NDArray[np.float32],
    score: Score,
) -> tuple[Rows, Floats]:
    """Each line's best neighbour by score (-1: none) and that score; ``others``: sorted rows whose means are known."""
    if len(others) == 0:
        return np.full(len(row), -1, np.int64), np.full(len(row), -np.inf)
    means = neighborhood_means(others_similarity)
    there = row >= 0
    place = np.searchsorted(others, np.where(there, row, others[0]))
    scores = np.where(there, margin(similarity, own[:, None], means[place], score), -np.inf)
    best = scores.argmax(axis=1)
    lines = np.arange(len(row))
    value = scores[lines, best]
    return np.where(value > -np.inf, row[lines, best], -1), value


def cost(exact: ExactSample, mined: Mined, threshold: float | None = None) -> ApproximationCost:
    """Compare approximate mining with an exact sample.

    Args:
        exact: the sample, of the same two sides and options.
        mined: the result of approximate mining.
        threshold: the threshold in use.
    """
    neighbors: Neighbors = mined.neighbors
    pairs = mined.pairs
    place = _places(pairs.row_a, exact.row_a)
    found = (place >= 0) & (pairs.row_b[place] == exact.row_b if len(pairs) else False)
    approximate = pairs.score[place[found]]
    shift = approximate - exact.score[found]
    limit = -np.inf if threshold is None else threshold
    accepted = exact.score >= limit
    kept = found.copy()
    kept[found] = approximate >= limit
    return ApproximationCost(
        sample=len(exact.rows),
        recall_forward=neighbor_recall(exact.forward, neighbors.forward_similarity[exact.rows]),
        recall_backward=neighbor_recall(exact.backward, neighbors.backward_similarity[exact.touched]),
        mutual_pairs=len(exact.row_a),
        recall_pairs=_share(found),
        accepted_pairs=int(accepted.sum()),
        recall_accepted=_share(kept[accepted]),
        margin_shift=float(shift.mean()) if len(shift) else float("nan"),
        margin_shift_worst=float(np.abs(shift).max()) if len(shift) else float("nan"),
        threshold=threshold,
        threshold_shift=_threshold_shift(exact.score[found], approximate, threshold),
    )


def _places(rows: Rows, wanted: Rows) -> Rows:
    """Where each of the wanted rows [w] (sorted) is among others [p], of which each is there once; -1: nowhere."""
    place = np.full(len(wanted), -1, dtype=np.int64)
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        here = np.flatnonzero(np.isin(part, wanted))
        place[np.searchsorted(wanted, part[here])] = here + start
    return place


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else float("nan")


def _threshold_shift(exact: Floats, approximate: Floats, threshold: float | None) -> float | None:
    """The same quantile of both distributions, near the threshold."""
    if threshold is None or len(exact) == 0:
        return None
    below = float((exact < threshold).mean())
    return float(np.quantile(approximate, below) - np.quantile(exact, below))
