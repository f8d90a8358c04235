"""Mining inside documents or windows: a key on each row of both sides says what may be paired.

With a document key (the article, the page) only sentences of the same document are candidates; with an ordered one
(the day) those whose keys differ by no more than a window. Neighbourhoods, and with them margins, are those of the
document or window: a threshold tuned on whole-corpus mining does not carry over. Where a document has no more than k
sentences, all of them are neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.ground.arrays import Rows
from pipeline.mining.keys import NO_KEY, shuffled_keys
from pipeline.search.best import Best
from pipeline.search.job import SearchJob
from pipeline.search.neighbors import Neighbors
from pipeline.search.tiles import Plan, Tiler, pick_device
from pipeline.search.vectors import VectorSource, check_pair, gathered


@dataclass(frozen=True)
class Restriction:
    """What of the other side a row may be paired with.

    Attributes:
        order_a: side a's rows that have candidates [p], by key and then row.
        starts: where each key's rows begin in ``order_a`` [g + 1].
        order_b: side b's rows [q], by key and then row.
        low: the place in ``order_b`` where the candidates of each key of side a begin [g].
        high: the place where they end [g].
        alone_a: rows of side a without any candidate.
        alone_b: rows of side b without any candidate.
        within: ``document`` or ``window``.
    """

    order_a: Rows
    starts: Rows
    order_b: Rows
    low: Rows
    high: Rows
    alone_a: int
    alone_b: int
    within: str


def same_document(keys_a: NDArray[np.str_], keys_b: NDArray[np.str_]) -> Restriction:
    """Rows pair with rows of the same key; an empty key is no document and pairs with nothing.

    Args:
        keys_a: the keys of side a's rows [n].
        keys_b: the keys of side b's rows [m].
    """
    names, codes = np.unique(np.concatenate([keys_a, keys_b]), return_inverse=True)
    codes = np.where(names[codes] == "", -1, codes).astype(np.int64)
    return _restriction(codes[: len(keys_a)], codes[len(keys_a) :], None, codes[: len(keys_a)] >= 0)


def within_window(keys_a: NDArray[np.int64], keys_b: NDArray[np.int64], window: int) -> Restriction:
    """Rows pair with rows whose key is at most ``window`` away (days since some date, for instance).

    Args:
        keys_a: the days of side a's rows [n]; `NO_KEY` pairs with nothing.
        keys_b: the keys of side b's rows [m].
        window: the greatest distance, at least 0.

    Raises:
        ValueError: if the window is negative.
    """
    if window < 0:
        raise ValueError(f"the window is {window}; expected at least 0")
    return _restriction(keys_a, keys_b, window, keys_a != NO_KEY)


def restrict(
    keys_a: NDArray[Any], keys_b: NDArray[Any], window: int | None, shuffled: int | None = None
) -> Restriction | None:
    """What may be paired with what, by documents' names or by days.

    Args:
        keys_a: the documents' names of side a's rows, or their days where there is a window [n].
        keys_b: such keys of side b [m].
        window: the most days between the two; None: both are in the same document.
        shuffled: a seed: side a's keys are exchanged for others first, so that everything that is mined is false.

    Returns:
        The restriction; None where there are too few documents to be shuffled.
    """
    wanted: NDArray[Any] | None = keys_a
    if shuffled is not None:
        wanted = shuffled_keys(keys_a, "" if window is None else NO_KEY, shuffled)
    if wanted is None:
        return None
    return same_document(wanted, keys_b) if window is None else within_window(wanted, keys_b, window)


def _restriction(keys_a: Rows, keys_b: Rows, days: int | None, usable: NDArray[np.bool_]) -> Restriction:
    # 1. Both sides by key, so that a key's candidates are one run of side b.
    window, order_b = days or 0, np.argsort(keys_b, kind="stable")
    sorted_b = keys_b[order_b]
    order_a = np.argsort(keys_a, kind="stable")
    order_a = order_a[usable[order_a]]
    names, starts = np.unique(keys_a[order_a], return_index=True)
    low, high = np.searchsorted(sorted_b, names - window, "left"), np.searchsorted(sorted_b, names + window, "right")
    # 2. Keys of side a without candidates are left out, with their rows.
    sizes = np.diff(np.append(starts, len(order_a)))
    matched = high > low
    kept = np.repeat(matched, sizes)
    # 3. Rows of side b that are in no run; runs of days may overlap, so starts and ends are counted along the order.
    covered = np.zeros(len(order_b) + 1, dtype=np.int64)
    np.add.at(covered, low[matched], 1)
    np.add.at(covered, high[matched], -1)
    return Restriction(
        order_a=order_a[kept],
        starts=np.concatenate([[0], np.cumsum(sizes[matched])]).astype(np.int64),
        order_b=order_b,
        low=low[matched],
        high=high[matched],
        alone_a=len(keys_a) - int(kept.sum()),
        alone_b=int((np.cumsum(covered)[:-1] == 0).sum()),
        within="document" if days is None else "window",
    )


def restricted_neighbors(x: VectorSource, y: VectorSource, restriction: Restriction, job: SearchJob) -> Neighbors:
    """The k nearest neighbours of both directions among what a restriction allows, exactly, from one product.

    Ties go to the earlier key, then to the lower row. Rows without candidates have no neighbours (-1, -inf). Holds the job's
    ``memory_bytes`` and the result, with the vectors of one document (or window) read at a time.

    The loops, from the outside in: documents; strips of side a's rows of the document; tiles of side b's rows that
    these may be paired with. One product of a strip and a tile serves the rows of both.

    Args:
        x: side a's vectors [n, d].
        y: side b's vectors [m, d].
        restriction: the candidates of these rows.
        job: k, memory, copies and progress; rows without candidates are not counted.

    Raises:
        VectorError: if the sides can't be compared, or a vector that has candidates is zero or not finite.
    """
    check_pair(x, y)
    where = pick_device(job.device)
    plan = Plan.of(x.shape[1], job.memory_bytes, where)
    tiler = Tiler(plan, where)
    forward, backward = (Best(len(order), job.k, where) for order in (restriction.order_a, restriction.order_b))
    # 1. Each document of side a (or each day) with its candidates of side b, which are one run of `order_b`.
    for group in range(len(restriction.low)):
        start, stop = int(restriction.starts[group]), int(restriction.starts[group + 1])
        # 2. A strip of its rows is read once, and stays while all candidates pass by it.
        for a_start, a_stop in _steps(start, stop, plan.tile):
            rows_a = restriction.order_a[a_start:a_stop]
            strip = gathered(x, rows_a, "side a", where)
            # 3. A tile of candidates: one product, of which copies are hidden, serves both directions.
            for b_start, b_stop in _steps(int(restriction.low[group]), int(restriction.high[group]), plan.tile):
                rows_b = restriction.order_b[b_start:b_stop]
                tiler.product(strip, gathered(y, rows_b, "side b", where))
                if job.copies is not None:
                    tiler.hide(job.copies.cells(rows_a, rows_b, where))
                tiler.update_rows(forward, a_start, b_start, a_stop - a_start)
                tiler.update_columns(backward, a_start, b_start, b_stop - b_start)
        job.done(stop - start)
    return Neighbors(
        *_in_rows(forward, restriction.order_a, restriction.order_b, len(x)),
        *_in_rows(backward, restriction.order_b, restriction.order_a, len(y)),
    )


def _steps(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
    for first in range(start, stop, step):
        yield first, min(first + step, stop)


def _in_rows(best: Best, lines: Rows, others: Rows, rows: int) -> tuple[NDArray[np.float32], Rows]:
    """From positions in the two orders to rows of the two sides."""
    similarity, place = best.result()
    of_row = np.full((rows, best.k), -np.inf, np.float32), np.full((rows, best.k), -1, np.int64)
    of_row[0][lines] = similarity
    if len(others):
        of_row[1][lines] = np.where(place >= 0, others[place], -1)
    return of_row
