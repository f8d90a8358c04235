"""Items of work side by side in threads of this process, each of which computes alone.

An operation that several threads share is as slow as the slowest of them, and beside busy processes one of them nearly always
waits for a core. Threads that take items of their own wait for nobody until the items are used up. Python runs one of
them at a time, but torch's operations let the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[Item], Result], items: Sequence[Item], threads: int, done: Callable[[Result], object]
) -> None:
    """Work on all items, so many at a time; torch computes each in one thread.

    Holds what ``work`` holds once for each thread, and the results that wait for an earlier one's. Where an item or ``done``
    raises, items that haven't begun are left out.

    Args:
        work: what is done with an item; it must not change what another call reads. torch's modes (inference, autocast) are
            each thread's own: it sets those that it needs.
        items: the items.
        threads: how many are worked on at a time.
        done: called in the caller's thread with each result, in the items' order.

    >>> side_by_side(lambda item: (item**2, torch.get_num_threads()), [3, 1, 2], 2, print)
    (9, 1)
    (1, 1)
    (4, 1)
    """
    before = torch.get_num_threads()

    def set_up() -> None:
        torch.get_num_threads()  # a thread's first use takes over the process' number; only then does its own one last
        torch.set_num_threads(1)

    pool = ThreadPoolExecutor(threads, "side by side", set_up)
    try:
        for result in pool.map(work, items):
            done(result)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)  # the process' number, with which threads begin that are yet to come
