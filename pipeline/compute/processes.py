"""The local engine: processes of this machine, each with its own part of the cores (and GPUs).

A worker is a fresh process (no fork: threads and CUDA don't survive one) at the other end of a pipe. It ends with its parent,
however that ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from pipeline.compute.dispatch import dispatched
from pipeline.compute.in_process import Here
from pipeline.compute.work import ComputeError, Crew, Engine, Item, Result, State, Terms, Work
from pipeline.compute.worker import (
    Assignment,
    Failed,
    Lost,
    Message,
    Worker,
    WorkProgress,
    own_limit,
    portable,
    thread_environment,
)

REPORT_SECONDS = 0.5
"""Between two messages of a task's progress."""

_START = threading.Lock()


class Processes(Engine):
    """Processes of this machine, each with the memory of Python and the libraries (some 0.4 GB with torch) and the work's.

    Args:
        workers: how many work at a time.
        cpus: threads of each worker; None: this machine's cores, shared among the workers that are started.
        gpus: GPUs of each worker; 0: all workers see whatever there is.

    Raises:
        ComputeError: if there are not enough GPUs.
    """

    def __init__(self, workers: int, cpus: int | None = None, gpus: int = 0) -> None:
        self.workers, self.cpus, self.gpus = workers, cpus, gpus
        if gpus:
            import torch  # only where GPUs are asked for

            if (wanted := workers * gpus) > (found := torch.cuda.device_count()):
                raise ComputeError(f"compute: workers times gpus is {wanted}, but this machine has {found} GPUs")

    def crew(
        self, work: Work[State, Item, Result], items: int, terms: Terms | None = None
    ) -> AbstractContextManager[Crew[Item, Result]]:
        """See `Engine.crew`; a single worker with all cores is this process itself."""
        workers = max(1, min(self.workers, items))
        if workers == 1 and self.cpus is None:
            return Here().crew(work, items)
        threads = self.cpus or max(1, _cores() // workers)
        return dispatched(lambda assignment: _Team(assignment, threads, self.gpus), workers, work, terms)


def _cores() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, own_limit("OMP_NUM_THREADS") or cores)


@dataclass(frozen=True, eq=False)
class _Process:
    process: SpawnProcess
    connection: Connection
    number: int

    def heard(self) -> Message:
        """The next message; a pipe that has ended says that its process has."""
        try:
            message: Message = self.connection.recv()
            return message
        except (EOFError, OSError):
            self.process.join(5)
        code, who = self.process.exitcode, f"process {self.process.pid}"
        if code is not None and code < 0:
            return Lost(f"{who} was killed by {signal.Signals(-code).name}")
        return Lost(f"{who} ended with code {code}")


class _Team:
    def __init__(self, assignment: Assignment, threads: int, gpus: int) -> None:
        self._assignment, self._threads, self._gpus = assignment, threads, gpus
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Process] = []

    def start(self) -> _Process:
        """See `Team.start`."""
        taken = {worker.number for worker in self._workers}
        number = next(free for free in range(len(taken) + 1) if free not in taken)
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs,), daemon=True, name=f"worker {number}")
        with _environment(thread_environment(self._threads) | self._visible(number)):
            process.start()
        theirs.close()
        worker = _Process(process, ours, number)
        self._workers.append(worker)
        with suppress(OSError):  # it is already gone: its end of the pipe says so
            ours.send(self._assignment)
        return worker

    def _visible(self, number: int) -> dict[str, str]:
        if not self._gpus:
            return {}
        listed = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = listed.split(",") if listed else [str(index) for index in range((number + 1) * self._gpus)]
        return {"CUDA_VISIBLE_DEVICES": ",".join(names[number * self._gpus : (number + 1) * self._gpus])}

    def send(self, worker: _Process, item: Any) -> None:
        """See `Team.send`."""
        with suppress(OSError):  # as above
            worker.connection.send(item)

    def wait(self, seconds: float) -> list[tuple[_Process, Message]]:
        """See `Team.wait`."""
        speaking = wait([worker.connection for worker in self._workers], seconds)
        return [(worker, worker.heard()) for worker in self._workers if worker.connection in speaking]

    def stop(self, worker: _Process) -> None:
        """See `Team.stop`."""
        if worker in self._workers:
            self._workers.remove(worker)
        worker.connection.close()
        worker.process.kill()
        worker.process.join()

    def close(self) -> None:
        """End all workers."""
        for worker in list(self._workers):
            self.stop(worker)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Other environment variables for the processes that the block starts."""
    with _START:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def serve(connection: Connection) -> None:
    """The main function of a worker's process: an assignment, then items, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    worker = Worker()
    with suppress(EOFError, OSError):
        try:
            assignment = connection.recv()
        except ImportError as error:
            connection.send(Failed(portable(error), "this machine"))
            return
        connection.send(worker.set_up(assignment))
        reports = _Reports(connection)
        while True:
            item = connection.recv()
            reports.clear()
            connection.send(worker.run(item, reports))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)  # at once: what is left half-written is cleared by the next run


class _Reports:
    """Sends a task's progress, not too often."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.clear()

    def clear(self) -> None:
        self._count, self._last = 0, time.monotonic()

    def __call__(self, count: int) -> None:
        self._count += count
        if time.monotonic() - self._last >= REPORT_SECONDS:
            self._connection.send(WorkProgress(self._count))
            self.clear()
