"""Items to workers and results back: the same for every engine.

A worker has one item at a time. What is lost with a worker is given to another, and a new worker is started for it; an item
that has lost `ATTEMPTS` workers stops the run, since it is likelier the item (too large for the memory) than the machines.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, Protocol

from pipeline.compute.work import ComputeError, Count, Crew, Item, Result, State, Terms, Work
from pipeline.compute.worker import Assignment, Done, Failed, Lost, Message, Ready, WorkProgress, machine, software
from pipeline.ground.atomic import scratch_folder

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""How many workers an item, or the set-ups in a row, may lose."""

WINDOW = 4
"""Items for each worker that may be under way or have results waiting for an earlier one's."""

POLL_SECONDS = 1.0

MARKER = "here"
"""The file that a worker must see in each shared folder, to know that it is the same folder."""


class Team(Protocol):
    """The workers of an engine, as the dispatcher needs them."""

    def start(self) -> Hashable:
        """Start a worker for the team's work; its first message is `Ready`, `Failed` or `Lost`."""
        ...

    def send(self, worker: Any, item: Any) -> None:
        """Give a worker that is ready an item; its messages end with `Done`, `Failed` or `Lost`."""
        ...

    def wait(self, seconds: float) -> list[tuple[Any, Message]]:
        """What workers said, waiting at most so long for the first.

        Raises:
            ComputeError: if the engine itself is gone.
        """
        ...

    def stop(self, worker: Any) -> None:
        """End a worker, whatever it is doing."""
        ...

    def close(self) -> None:
        """End all workers."""
        ...


@contextmanager
def dispatched(
    make_team: Callable[[Assignment], Team], workers: int, work: Work[State, Item, Result], terms: Terms | None
) -> Iterator[Crew[Item, Result]]:
    """The crew of a new team, which is dismissed at the end of the block; see `Engine.crew`.

    An engine makes the team for the assignment that all its workers get; it starts no worker before it is told to.
    """
    terms = terms or Terms()
    with ExitStack() as stack:
        markers = []
        for folder in terms.shared:
            marker = stack.enter_context(scratch_folder(folder.resolve(), "workers")) / MARKER
            marker.touch()
            markers.append(str(marker))
        team = make_team(Assignment(work, str(Path.cwd()), tuple(markers)))
        stack.callback(team.close)
        yield Dispatcher(team, workers, work.label, terms)


class Dispatcher(Crew[Item, Result]):
    """The crew of a team whose ``workers`` work at a time; holds `WINDOW` items or results for each of them."""

    def __init__(self, team: Team, workers: int, label: str, terms: Terms) -> None:
        self.team, self.workers, self.label, self.terms = team, workers, label, terms
        self._starting: set[Any] = set()
        self._idle: list[Any] = []
        self._busy: dict[Any, int] = {}
        self._failed_starts = 0
        self._first: Ready | None = None
        self._warned = False
        for _ in range(workers):
            self._starting.add(team.start())

    def ready(self) -> None:
        """Wait until every worker is set up (`map` begins with the first that is); raises what `Crew.map` does."""
        nothing = _Queue((), 0, lambda _: None)
        while self._starting:
            for worker, message in self.team.wait(POLL_SECONDS):
                self._heard(worker, message, nothing)

    def map(self, items: Iterable[Item], advance: Count) -> Iterator[Result]:
        """See `Crew.map`."""
        queue = _Queue(items, WINDOW * self.workers, advance)
        try:
            while True:
                # Results first, so that the window opens for new items; then work for all who have none.
                yield from queue.in_order()
                while self._idle and (number := queue.take()) is not None:
                    worker = self._idle.pop(0)
                    self._busy[worker] = number
                    self.team.send(worker, queue.items[number])
                if queue.empty and not self._busy:
                    return
                for worker, message in self.team.wait(POLL_SECONDS):
                    self._heard(worker, message, queue)
        finally:
            for worker in list(self._busy):  # the results of an abandoned map must not turn up in the next
                self._drop(worker)

    def _heard(self, worker: Any, message: Message, queue: _Queue) -> None:
        match message:
            case Ready():
                self._agree(message)
                self._failed_starts = 0
                self._starting.discard(worker)
                self._idle.append(worker)
            case WorkProgress(count):
                queue.progress(self._busy[worker], count)
            case Done(result, count):
                queue.done(self._busy.pop(worker), result, count)
                self._idle.append(worker)
            case Failed(error, where):
                self._busy.pop(worker, None)
                if worker in self._starting and isinstance(error, ComputeError):
                    raise ComputeError(f"{self.label}: on {where}: {error}")
                raise error
            case Lost(reason):
                self._lost(worker, reason, queue)

    def _lost(self, worker: Any, reason: str, queue: _Queue) -> None:
        if (number := self._busy.pop(worker, None)) is not None:
            if queue.again(number) >= ATTEMPTS:
                raise ComputeError(
                    f"{self.label}: item {number + 1} lost its worker {ATTEMPTS} times, the last time because {reason}; if "
                    "memory ran out: fewer workers on a machine, or smaller shards and batches, need less"
                )
        elif worker in self._starting:
            self._failed_starts += 1
            if self._failed_starts >= ATTEMPTS:
                raise ComputeError(
                    f"{self.label}: {ATTEMPTS} workers in a row ended before they were ready, the last because {reason}"
                )
        log.warning("%s: a worker was lost because %s; what it had is done again", self.label, reason)
        self._drop(worker)
        self._starting.add(self.team.start())

    def _drop(self, worker: Any) -> None:
        self._busy.pop(worker, None)
        self._starting.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        self.team.stop(worker)

    def _agree(self, ready: Ready) -> None:
        """Refuse a worker that would compute something else than the others."""
        if self._first is None:
            known = dict(self.terms.identity())
            self._same(ready, {key: ready.identity.get(key) for key in known}, known, "here")
            self._same(ready, ready.software, software(), "here")
            self._first = ready
        self._same(ready, ready.identity, self._first.identity, f"on {self._first.where}")
        self._same(ready, ready.software, self._first.software, f"on {self._first.where}")
        mine = machine()
        if not self._warned and any(mine[key] != ready.machine[key] for key in mine.keys() & ready.machine.keys()):
            self._warned = True
            log.warning(
                "%s: %s (%s) is another kind of machine than this one (%s): the last bits of results may differ",
                self.label,
                ready.where,
                ", ".join(ready.machine.values()),
                ", ".join(mine.values()),
            )

    def _same(self, ready: Ready, found: Mapping[str, Any], expected: Mapping[str, Any], whose: str) -> None:
        for key in sorted(found.keys() | expected.keys()):
            if found.get(key) != expected.get(key):
                raise ComputeError(
                    f"{self.label}: on {ready.where}: {key} is {found.get(key)!r}, but {expected.get(key)!r} {whose}; "
                    "expected the same softalign, packages and model files on every node"
                )


class _Queue:
    """The items of one map: which are to be done, and the results that wait for their turn."""

    def __init__(self, items: Iterable[Any], window: int, advance: Count) -> None:
        self._source = iter(items)
        self._window, self._advance = window, advance
        self._taken = self._next = 0
        self._exhausted = False
        self._redo: list[int] = []
        self._results: dict[int, Any] = {}
        self._attempts: dict[int, int] = {}
        self._shown: dict[int, int] = {}
        self.items: dict[int, Any] = {}

    @property
    def empty(self) -> bool:
        """Whether every item was taken, and every result handed out (but for those still being done)."""
        return self._exhausted and not self._redo and not self._results

    def in_order(self) -> Iterator[Any]:
        """The results whose turn it is."""
        while self._next in self._results:
            result = self._results.pop(self._next)
            self._next += 1
            yield result

    def take(self) -> int | None:
        """The number of the next item to be done; None if there is none now."""
        if self._redo:
            return heappop(self._redo)
        if self._exhausted or self._taken >= self._next + self._window:
            return None
        try:
            self.items[self._taken] = next(self._source)
        except StopIteration:
            self._exhausted = True
            return None
        self._taken += 1
        return self._taken - 1

    def progress(self, number: int, count: int) -> None:
        """Some units of an item were done."""
        self._shown[number] = self._shown.get(number, 0) + count
        self._advance(count)

    def done(self, number: int, result: Any, count: int) -> None:
        """An item's result is there."""
        if rest := count - self._shown.pop(number, 0):
            self._advance(rest)
        del self.items[number]
        self._results[number] = result

    def again(self, number: int) -> int:
        """An item must be done again; returns how often it was lost."""
        if shown := self._shown.pop(number, 0):
            self._advance(-shown)
        heappush(self._redo, number)
        self._attempts[number] = self._attempts.get(number, 0) + 1
        return self._attempts[number]
