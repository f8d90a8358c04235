"""What a threshold lets through that is wrong, without gold pairs: mining where there is nothing to find.

Whatever a control accepts is false, so it shows the rate of false pairs at a threshold. Where both sides' documents are
known, side b is shuffled across them (`shuffled_control`): sentences of one half of the documents are mined against those of
the other half. Where they are not, shuffling rows would change nothing, since mining does not look at their order; there
every accepted sentence's partner is taken away, and what it would be paired with instead is looked at (`partner_control`). Of
a bitext whose lines are given, lines are shifted against each other (`shifted_control`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.config.mine import Mine
from pipeline.console.errors import UserError
from pipeline.ground.arrays import CHUNK, Floats, Rows
from pipeline.mining.aligned import score_aligned
from pipeline.mining.documents import Restriction, restricted_neighbors
from pipeline.mining.mine import Mined, mine, mine_neighbors, search_job
from pipeline.mining.pair_rules import PairRules
from pipeline.mining.retrieval import Candidates, PairSieve
from pipeline.search.neighbors import Neighbors
from pipeline.search.scratch import ScratchArrays
from pipeline.search.vectors import VectorSource, gathered_rows

RATES = (0.01, 0.001)
"""Rates of false pairs for which a control names the threshold."""


class ControlError(UserError):
    """A control that can't be run on what was given."""


@dataclass(frozen=True)
class Control:
    """Pairs of sentences that are no translations of each other.

    Attributes:
        kind: ``documents`` (mined across documents), ``partners`` (accepted sentences without their partners) or
            ``lines`` (lines shifted against each other).
        scores: the scores of the pairs that it gave, greatest first [p].
        searched: sentences that could have given one.
    """

    kind: Literal["documents", "partners", "lines"]
    scores: Floats
    searched: int

    def accepted(self, threshold: float) -> int:
        """False pairs at a threshold."""
        return int((self.scores >= threshold).sum())

    def rate(self, threshold: float) -> float:
        """False pairs at a threshold, per sentence searched."""
        return self.accepted(threshold) / self.searched if self.searched else 0.0

    def threshold_at(self, rate: float) -> float:
        """The lowest threshold at which at most so many false pairs per sentence are accepted."""
        allowed = int(rate * self.searched)
        return float(np.nextafter(self.scores[allowed], np.inf)) if allowed < len(self.scores) else -np.inf

    def as_metrics(self, threshold: float | None) -> dict[str, Any]:
        """For metadata and metrics files: the rate at the threshold, and the thresholds of some rates (None: any)."""
        found: dict[str, Any] = {"kind": self.kind, "searched": self.searched}
        if threshold is not None:
            found |= {"accepted": self.accepted(threshold), "false_rate": round(self.rate(threshold), 6)}
        limits = {f"threshold_at_{rate:g}": self.threshold_at(rate) for rate in RATES}
        return found | {name: round(value, 6) if np.isfinite(value) else None for name, value in limits.items()}


def shared_documents(documents_a: NDArray[np.str_], documents_b: NDArray[np.str_]) -> bool:
    """Whether a shuffled control can be run: at least half of either side's sentences are in documents of both sides.

    An empty name is no document.
    """
    both = np.intersect1d(documents_a, documents_b)
    both = both[both != ""]
    shares = [np.isin(side, both).mean() if len(side) else 0.0 for side in (documents_a, documents_b)]
    return len(both) >= 2 and min(shares) >= 0.5


def shuffled_control(
    x: VectorSource,
    y: VectorSource,
    documents_a: NDArray[np.str_],
    documents_b: NDArray[np.str_],
    options: Mine,
    seed: int = 0,
    rules: PairRules | None = None,
) -> Control:
    """Mine each half of the documents of side a against the other half of side b's.

    Documents have the same names on both sides; sentences without one (an empty name) are left out. Which half a document is
    in is chosen with a seed. Where a side has more than ``options.control`` sentences, so many documents are taken that about
    as many remain; their vectors are held in memory. Each half's neighbourhoods are thinner than in the real run, which makes
    the control's margins a little higher, and so the rate that it shows rather too high than too low.

    Args:
        x: side a's vectors [n, d].
        y: side b's vectors [m, d].
        documents_a: each row's document [n].
        documents_b: each row's document [m].
        options: the options of the real run.
        seed: the seed of the choice of documents and halves.
        rules: the rules of the real run.

    Raises:
        ControlError: if there are fewer than two documents.
        VectorError: if a vector is zero or not finite.
    """
    names, codes = np.unique(np.concatenate([documents_a, documents_b]), return_inverse=True)
    named = np.flatnonzero(names != "")
    if len(named) < 2:
        raise ControlError(f"a shuffled control needs at least two documents; found {len(named)}")
    largest = max(len(documents_a), len(documents_b), 1)
    count = max(2, round(len(named) * min(1.0, options.control / largest)))
    order = np.random.default_rng(seed).permutation(named)[:count]
    half = np.full(len(names), -1)
    half[order] = np.arange(count) < count // 2
    in_a, in_b = half[codes[: len(documents_a)]], half[codes[len(documents_a) :]]
    scores, searched = [np.empty(0)], 0
    for one_half in (0, 1):
        rows_a, rows_b = np.flatnonzero(in_a == one_half), np.flatnonzero(in_b == 1 - one_half)
        of_half = None if rules is None else rules.picked(rows_a, rows_b)
        exact = options.model_copy(update={"search": "exact", "index": None})
        scores.append(mine(gathered_rows(x, rows_a), gathered_rows(y, rows_b), exact, rules=of_half).score)
        searched += min(len(rows_a), len(rows_b))
    return Control("documents", _falling(np.concatenate(scores)), searched)


def restricted_control(
    x: VectorSource, y: VectorSource, shuffled: Restriction, options: Mine, rules: PairRules | None = None
) -> Control:
    """Mine inside documents (or windows) that were given to the wrong sentences.

    Args:
        x: side a's vectors [n, d].
        y: side b's vectors [m, d].
        shuffled: the candidates of these rows, each of side a with another document's; see `documents.shuffled_keys`.
        options: the options of the real run.
        rules: the rules of the real run.
    """
    job = search_job(options, copies=None if rules is None else rules.copies)
    neighbors = restricted_neighbors(x, y, shuffled, job)
    scores = mine_neighbors(neighbors, options, None, rules).pairs.score
    return Control("documents", _falling(scores), min(len(x) - shuffled.alone_a, len(y) - shuffled.alone_b))


def partner_control(
    mined: Mined,
    options: Mine,
    threshold: float | None,
    room: ScratchArrays | None = None,
    rules: PairRules | None = None,
) -> Control | None:
    """What accepted sentences are paired with when their partners are gone: a sentence whose translation isn't there.

    Needs no further search, and no documents. It takes accepted pairs for true, and a partner's place among the k neighbours
    stays empty, which makes the rate a little too low; a near copy of the partner counts as false, which makes it too high.
    Holds the scores, and what is in the room if that is memory: neighbours and candidates once more.

    Args:
        mined: the result of the real run.
        options: the options of the real run.
        threshold: the score from which pairs lose each other; without one, all pairs.
        room: where neighbours and candidates lie; memory, if not given.
        rules: the rules of the real run.

    Returns:
        The control; None where k is 1, so that nothing would be left, or nothing is accepted.
    """
    limit = -np.inf if threshold is None else threshold
    # Best first: the accepted pairs are those before the first one below the threshold.
    accepted = int(np.searchsorted(-mined.pairs.score, -limit, side="right"))
    if options.k < 2 or accepted == 0:
        return None
    room = room or ScratchArrays()
    partner = room.array("partner", np.int64, (len(mined.neighbors.forward_row),))
    for start in range(0, accepted, CHUNK):
        part = slice(start, min(start + CHUNK, accepted))
        partner[mined.pairs.row_a[part]] = mined.pairs.row_b[part] + 1  # zeros: no partner
    taken = mined.pairs.take(slice(0, accepted))
    again = mine_neighbors(without_pairs(mined.neighbors, taken, room), options, room, rules).pairs
    false = [again.score[:0]]
    for start in range(0, len(again), CHUNK):
        part = slice(start, start + CHUNK)
        false.append(again.score[part][partner[again.row_a[part]] > 0])
    return Control("partners", _falling(np.concatenate(false)), accepted)


def without_pairs(neighbors: Neighbors, pairs: Candidates, room: ScratchArrays | None = None) -> Neighbors:
    """Neighbours of which one-to-one pairs' own are no longer any (-1, -inf in their places), in a room."""
    swapped, room = neighbors.swapped(), room or ScratchArrays()
    forward = _without(neighbors.forward_similarity, neighbors.forward_row, pairs.row_a, pairs.row_b, room, "a")
    backward = _without(swapped.forward_similarity, swapped.forward_row, pairs.row_b, pairs.row_a, room, "b")
    return Neighbors(*forward, *backward)


def _without(
    similarity: NDArray[np.float32], row: Rows, own: Rows, other: Rows, room: ScratchArrays, side: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    partner = room.array(f"partner-{side}", np.int64, (len(row),))
    for start in range(0, len(own), CHUNK):
        partner[own[start : start + CHUNK]] = other[start : start + CHUNK] + 1
    left = (
        room.array(f"similarity-{side}", np.float32, row.shape),
        room.array(f"row-{side}", np.int64, row.shape),
    )
    for start in range(0, len(row), CHUNK):
        part = slice(start, start + CHUNK)
        gone = row[part] == partner[part, None] - 1
        left[0][part] = np.where(gone, np.float32(-np.inf), similarity[part])
        left[1][part] = np.where(gone, -1, row[part])
    return left


def shifted_control(
    x: VectorSource,
    y: VectorSource,
    row_a: Rows,
    row_b: Rows,
    neighbors: Neighbors,
    options: Mine,
    seed: int = 0,
    broken: PairSieve | None = None,
) -> Control | None:
    """Scores of a bitext's lines when side b is shifted against side a by a random number of lines, round the end.

    Lines that still meet the same sentence are left out; those that then break a rule are accepted by no threshold.

    Args:
        x: side a's vectors [n, d].
        y: side b's vectors [m, d].
        row_a: each line's row of x [p].
        row_b: each line's row of y [p].
        neighbors: the neighbours of both.
        options: ``score`` and ``control``, the most lines that are scored.
        seed: the seed of the shift, and of the choice of lines.
        broken: says which pairs of rows of x and of y break a rule.

    Returns:
        The control; None for fewer than two lines.
    """
    if len(row_a) < 2:
        return None
    generator = np.random.default_rng(seed)
    lines = np.sort(generator.choice(len(row_a), min(len(row_a), max(options.control, 1)), replace=False))
    moved = row_b[(lines + int(generator.integers(1, len(row_b)))) % len(row_b)]
    lines, moved = lines[moved != row_b[lines]], moved[moved != row_b[lines]]
    scores = score_aligned(x, y, row_a[lines], moved, neighbors, options.score).score
    if broken is not None:
        scores = scores[~broken(row_a[lines], moved)]
    return Control("lines", _falling(scores), len(lines))


def _falling(scores: Floats) -> Floats:
    return np.sort(scores)[::-1]
