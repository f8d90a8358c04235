"""BUCC's task: mine two sides, tune the threshold on the training set's gold pairs, measure it frozen on the test set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.config.mine import Mine
from pipeline.console.errors import UserError
from pipeline.evaluation.benchmark import Mining
from pipeline.evaluation.embedded import Embedded
from pipeline.evaluation.statistics import Items
from pipeline.ground.arrays import Rows
from pipeline.mining.judging.bucc import BuccSet, gold_flags
from pipeline.mining.judging.threshold import tune
from pipeline.mining.mine import mine
from pipeline.mining.retrieval import Candidates


def mining_items(task: Mining, embedded: Embedded, options: Mine, model: str) -> tuple[Items, dict[str, float]]:
    """What a model finds of a test set, sentence by sentence of side a, and the threshold that it was found with.

    A sentence that stands more than once on its side is mined once, as its first copy, and gold pairs of copies are one.
    An item is a sentence of side a that has a gold pair or was given one. Memory: vectors, and what `mine` holds.

    Args:
        task: the training and the test set.
        embedded: vectors of all their sentences.
        options: how pairs are mined.
        model: the model's name, for messages.

    Raises:
        UserError: if nothing right is mined on the training set, so no threshold can be tuned.
    """
    # The threshold comes from the training set alone.
    pairs, gold = _mine(task.training, embedded, options)
    threshold = tune(pairs.score, gold_flags(pairs, gold), len(gold)).value
    if not np.isfinite(threshold):
        raise UserError(
            f"{model}: {task.name}: none of the training set's gold pairs is mined; no threshold can be tuned"
        )
    # It is applied to the test set as it is.
    pairs, gold = _mine(task.test, embedded, options)
    accepted = pairs.above(threshold)
    right = gold_flags(accepted, gold)
    rows = np.unique(np.concatenate([accepted.row_a, gold[:, 0]]))
    items = Items(
        "mining",
        {
            "row": rows,
            "extracted": _counts(rows, accepted.row_a),
            "correct": _counts(rows, accepted.row_a[right]),
            "wanted": _counts(rows, gold[:, 0]),
        },
        task.units,
    )
    return items, {"threshold": threshold}


def _counts(rows: Rows, having: Rows) -> NDArray[np.int64]:
    return np.bincount(np.searchsorted(rows, having), minlength=len(rows)).astype(np.int64)


def _mine(made: BuccSet, embedded: Embedded, options: Mine) -> tuple[Candidates, Rows]:
    """Mined pairs and gold pairs, both as rows of the two sides' files (of copies, the first)."""
    sides = [_different(side.texts, embedded) for side in (made.a, made.b)]
    (first_a, copy_a, x), (first_b, copy_b, y) = sides
    found = mine(x, y, options)
    gold = made.gold if made.gold is not None else np.empty((0, 2), dtype=np.int64)
    gold = np.unique(np.stack([copy_a[gold[:, 0]], copy_b[gold[:, 1]]], axis=1), axis=0)
    columns = {**vars(found), "row_a": first_a[found.row_a], "row_b": first_b[found.row_b]}
    return Candidates(**columns), gold


def _different(texts: list[str], embedded: Embedded) -> tuple[Rows, Rows, NDArray[np.floating]]:
    """The first row of each different sentence that has a vector, of every row its first copy's, and those vectors."""
    place = embedded.rows(texts)
    _, first, inverse = np.unique(place, return_index=True, return_inverse=True)
    rows = np.sort(first)
    rows = rows[embedded.vectors[place[rows]].any(axis=1)]
    return rows, first[inverse], embedded.vectors[place[rows]]
