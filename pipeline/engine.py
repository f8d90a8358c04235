"""Where the work on shards runs. Nothing else in the code knows how many processes there are.

A task is a pure function of one shard. `LocalEngine` runs tasks in this process (whose tokenizer and matrix libraries use all
cores by themselves) or in a pool of processes; results come back in the order of the tasks either way.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class Engine(Protocol):
    """Maps a pure function over tasks."""

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """The results, in the order of the tasks, each as soon as it and all before it are done."""
        ...


class LocalEngine:
    """This machine.

    Args:
        workers: processes. With 1, tasks run in the calling process. More are spawned (not forked: torch and Arrow
            hold threads) and the function and tasks travel by pickle between processes of our own.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """See `Engine.map`."""
        if self.workers == 1 or len(tasks) <= 1:
            yield from map(function, tasks)
            return
        with ProcessPoolExecutor(
            max_workers=min(self.workers, len(tasks)), mp_context=multiprocessing.get_context("spawn")
        ) as pool:
            yield from pool.map(function, tasks)
