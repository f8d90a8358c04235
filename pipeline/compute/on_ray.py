"""The engine ray: actors of a Ray cluster, each of which is a worker.

The cluster is the user's (`ray start`): this process joins it and starts no node. Ray places the workers, moves items and
results, and says which are lost; who does what, and again, is `pipeline.compute.dispatch`'s, as with local processes. Every
node must see the project at the same path, and have the same softalign and models.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from pipeline.compute.dispatch import dispatched
from pipeline.compute.work import ComputeError, Crew, Engine, Item, Result, State, Terms, Work
from pipeline.compute.worker import Assignment, Done, Failed, Lost, Message, Ready, Worker, thread_environment

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
CHECK_SECONDS = 2.0
"""Between two looks at the head, and for each; Ray itself would end this process 60 s after the head, without a word."""

CHECKS = 3
"""Looks in a row that find no head: then it is gone."""

ROOM_SECONDS = 60.0
"""How long to wait for a node with room while no worker is left (an autoscaler may bring one)."""

START = "start one with `ray start --head`, on each other node `ray start --address=HEAD:6379`"


class RayCluster(Engine):
    """Actors of a Ray cluster.

    Memory of each worker: as with local processes; what it sends lies in Ray's object store until it is fetched.

    Args:
        workers: how many work at a time; fewer if the cluster has no room for them.
        address: the head, ``host:port``; None: the head of the cluster which this machine belongs to.
        cpus: CPUs that Ray reserves for each worker, and the worker's threads.
        gpus: GPUs that Ray reserves for each worker (parts of one are allowed); the worker sees no others.
    """

    def __init__(self, workers: int, address: str | None = None, cpus: int = 1, gpus: float = 0.0) -> None:
        self.workers, self.address, self.cpus, self.gpus = workers, address, cpus, gpus

    @contextmanager
    def crew(
        self, work: Work[State, Item, Result], items: int, terms: Terms | None = None
    ) -> Iterator[Crew[Item, Result]]:
        """See `Engine.crew`.

        Raises:
            ComputeError: if the cluster can't be reached, or no node has enough CPUs or GPUs.
        """
        ours = _connect(self.address)
        try:
            wanted, room = max(1, min(self.workers, items)), places(self.cpus, self.gpus)
            if room == 0:
                raise _no_room("the Ray cluster", self.cpus, self.gpus)
            if room < wanted:
                log.warning("%s: the Ray cluster has room for %s of %s workers", work.label, room, wanted)
            team = partial(_Team, cpus=self.cpus, gpus=self.gpus)
            with dispatched(team, min(room, wanted), work, terms) as crew:
                yield crew
        finally:
            if ours and ray.is_initialized():
                ray.shutdown()


def places(cpus: int, gpus: float) -> int:
    """How many workers the nodes that are alive have room for, if nobody else is there."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    by_cpus = [int(resources.get("CPU", 0) // cpus) for resources in nodes]
    if not gpus:
        return sum(by_cpus)
    return sum(min(fits, int(node.get("GPU", 0) // gpus)) for fits, node in zip(by_cpus, nodes, strict=True))


def _no_room(where: str, cpus: int, gpus: float) -> ComputeError:
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    found = [f"{resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs" for resources in nodes]
    return ComputeError(
        f"compute: no node of {where} has {cpus} CPUs and {gpus:g} GPUs for a worker; it has "
        + ("; ".join(found) or "no nodes")
    )


def _connect(address: str | None) -> bool:
    """Join the cluster; False if this process has joined one already."""
    if ray.is_initialized():
        return False
    if address is not None and not _answers(address):
        raise ComputeError(f"compute.ray_address: nothing answers at {address}; {START}")
    try:
        ray.init(address=address or "auto", log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except ConnectionError:
        where = "no Ray cluster is running on this machine" if address is None else f"no Ray cluster at {address}"
        raise ComputeError(f"compute: {where}, or this machine is no node of it; {START}") from None
    except (RuntimeError, ValueError, OSError, RayError) as error:
        raise ComputeError(f"compute: the Ray cluster can't be joined: {_line(error)}") from None
    return True


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), CONNECT_SECONDS):
            return True
    except OSError:
        return False


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


class _Actor(Worker):
    """A worker as an actor."""

    def __init__(self, threads: int, gpus: float) -> None:
        # Before the first set-up imports the libraries that read them.
        os.environ.update(thread_environment(threads))
        if not gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        super().__init__()

    def run_quietly(self, item: Any) -> Done | Failed:
        """Do one item; what it counts comes with its result."""
        return self.run(item, lambda _: None)


class _Team:
    def __init__(self, assignment: Assignment, cpus: int, gpus: float) -> None:
        # Nothing is done again by Ray itself: the dispatcher counts attempts.
        self._actor = ray.remote(_Actor).options(
            num_cpus=cpus, num_gpus=gpus, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )
        self._assignment, self._cpus, self._gpus = assignment, cpus, gpus
        self._said: dict[Any, Any] = {}  # by the reference of what it is asked for, each worker's actor
        self._ready: set[Any] = set()
        self._head = str(ray.get_runtime_context().gcs_address)
        self._checked, self._misses, self._without = time.monotonic(), 0, 0.0

    def start(self) -> Any:
        """See `Team.start`; the worker waits for a node with room."""
        actor = self._actor.remote(self._cpus, self._gpus)
        self._said[actor.set_up.remote(self._assignment)] = actor
        return actor

    def send(self, worker: Any, item: Any) -> None:
        """See `Team.send`."""
        self._said[worker.run_quietly.remote(item)] = worker

    def wait(self, seconds: float) -> list[tuple[Any, Message]]:
        """See `Team.wait`."""
        self._check()
        done, _ = ray.wait(list(self._said), num_returns=1, timeout=seconds)
        return [(self._said[reference], self._fetch(reference)) for reference in done]

    def _fetch(self, reference: Any) -> Message:
        actor = self._said.pop(reference)
        try:
            message: Message = ray.get(reference, timeout=60)
        except RayTaskError as error:
            cause = getattr(error, "cause", None) or error
            raise ComputeError(f"compute: a worker could not be started or used: {_line(cause)}") from error
        except (RayActorError, GetTimeoutError, RayError) as error:
            if "ModuleNotFoundError" in str(error) or "failed to import" in str(error):
                raise ComputeError(
                    "compute: a node of the Ray cluster has no softalign (or another one); install the same version there"
                ) from error
            self._ready.discard(actor)
            return Lost(f"its Ray actor died ({_line(error)[:120]})")
        if isinstance(message, Ready):
            self._ready.add(actor)
        return message

    def _check(self) -> None:
        """Look after the head, and whether anybody can work at all.

        Raises:
            ComputeError: if the head is gone, or no node has had room for a worker for long.
        """
        now = time.monotonic()
        if now - self._checked < CHECK_SECONDS:
            return
        self._checked = now
        self._misses = 0 if _answers(self._head) else self._misses + 1
        if self._misses >= CHECKS:
            # Ray's own farewell would wait for the head, then end this process.
            atexit.unregister(ray.shutdown)
            raise ComputeError(
                f"compute: the head of the Ray cluster at {self._head} is gone; start it and its nodes again and run the "
                "same command: what is finished is not done again"
            )
        if self._misses or self._ready:
            self._without = now
            return
        self._without = self._without or now
        if now - self._without > ROOM_SECONDS and places(self._cpus, self._gpus) == 0:
            raise _no_room("the Ray cluster that is left", self._cpus, self._gpus)

    def stop(self, worker: Any) -> None:
        """See `Team.stop`."""
        self._ready.discard(worker)
        self._said = {reference: actor for reference, actor in self._said.items() if actor != worker}
        if self._misses == 0:
            with suppress(RayError):
                ray.kill(worker)

    def close(self) -> None:
        """End all workers."""
        for actor in {*self._said.values(), *self._ready}:
            self.stop(actor)
