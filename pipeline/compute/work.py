"""Work that is done one item at a time, and the little that an engine is to the rest of the code.

A `Work` is a set-up (a model is loaded, once in each worker) and a task (one shard). Both are functions of a module, so that
every process finds them by name, and what they are given is plain data and paths. What a task gives depends on its item and
on the set-up alone, never on the worker or on what it did before: so an engine may do the items in any order, and an item
that was lost with its worker again, and the results are the same whoever worked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pipeline.console.errors import UserError

State = TypeVar("State")
Item = TypeVar("Item")
Result = TypeVar("Result")

Count = Callable[[int], None]
"""Called with how many units (tokens, rows, …) were done since the last call."""


class ComputeError(UserError):
    """The work can't go on as ``compute`` in params.yaml asks: what was found, and what to install, start or change."""


@dataclass(frozen=True)
class SetUp(Generic[State]):
    """What a worker has when it is ready."""

    state: State  # what the worker's tasks are given; it never leaves the worker
    # what results depend on besides their item (a model's content), as JSON values, equal in all workers
    identity: Mapping[str, Any]


@dataclass(frozen=True)
class Work(Generic[State, Item, Result]):
    """What is to be done."""

    label: str  # what messages call the work
    set_up: Callable[..., SetUp[State]]  # a module's function; called once in each worker
    arguments: tuple[Any, ...]  # the set-up's arguments, plain data and paths
    # a module's function of the state, an item and a `Count`; its result is plain data
    task: Callable[[State, Item, Count], Result]


@dataclass(frozen=True)
class Terms:
    """What every worker must have in common with the process that hands out the work."""

    # gives the entries of the `SetUp`'s identity that this process knows; called only where there are workers
    identity: Callable[[], Mapping[str, Any]] = dict
    # folders that must be the same for all (a network file system where workers are on other machines)
    shared: Sequence[Path] = ()


class Crew(ABC, Generic[Item, Result]):
    """Workers that are set up for one work."""

    @abstractmethod
    def map(self, items: Iterable[Item], advance: Count) -> Iterator[Result]:
        """The results of all items, in their order.

        Items are taken as workers come free: only a few more of them than there are workers are in memory, or have results
        that wait for an earlier one's.

        Args:
            items: plain data; any iterable, drawn from as needed.
            advance: gets what all workers' tasks count, and is taken back (a negative count) what was lost.

        Raises:
            UserError: the task's or the set-up's own; or, as `ComputeError`, if the workers can't do it.
        """


class Engine(ABC):
    """Where work is done.

    Attributes:
        workers: how many work at a time, at most.
        alone: whether this process does it all, in which case nothing is copied or sent.
    """

    workers: int
    alone = False

    @abstractmethod
    def crew(
        self, work: Work[State, Item, Result], items: int, terms: Terms | None = None
    ) -> AbstractContextManager[Crew[Item, Result]]:
        """Workers for a work, dismissed at the end of the block.

        About so many ``items`` there will be; no more workers than that are started.

        Raises:
            ComputeError: if there can be no workers.
        """
