"""The engine of one: this process does everything, one item after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.compute.work import Count, Crew, Engine, Item, Result, State, Terms, Work


class Here(Engine):
    """This process, with all threads that it has. Memory: one item and its result, and what the set-up holds."""

    workers = 1
    alone = True

    @contextmanager
    def crew(
        self, work: Work[State, Item, Result], items: int, terms: Terms | None = None
    ) -> Iterator[Crew[Item, Result]]:
        """See `Engine.crew`; a process has everything in common with itself, so no terms are checked."""
        yield here(work.task, work.set_up(*work.arguments).state)


def here(task: Callable[[State, Item, Count], Result], state: State) -> Crew[Item, Result]:
    """A crew of this process, for a state that it has already."""
    return _Here(task, state)


class _Here(Crew[Item, Result]):
    def __init__(self, task: Callable[[State, Item, Count], Result], state: State) -> None:
        self._task: Callable[[Any, Item, Count], Result] = task
        self._state = state

    def map(self, items: Iterable[Item], advance: Count) -> Iterator[Result]:
        """See `Crew.map`."""
        for item in items:
            yield self._task(self._state, item, advance)
