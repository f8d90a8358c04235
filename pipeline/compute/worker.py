"""What runs in a worker, whatever the engine: the set-up, the tasks, and what is told of them.

This module imports nothing heavy: a worker's number of threads is set before NumPy, Polars and torch are first imported.
"""

from __future__ import annotations

import copy
import os
import platform
import socket
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pipeline
from pipeline.compute.work import ComputeError, Count, Work
from pipeline.ground.hashing import folder_hash

LIBRARIES = ("numpy", "polars", "pyarrow", "torch", "transformers", "tokenizers", "faiss-cpu")
"""Those whose other versions may give other results."""

THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),  # torch and NumPy
    *("RAYON_NUM_THREADS", "POLARS_MAX_THREADS"),  # tokenizers and Polars
)


class TaskError(Exception):
    """An error of a task that can't be sent as it is: its traceback as text. A defect of softalign."""


@dataclass(frozen=True)
class Assignment:
    """What a worker is told."""

    work: Work[Any, Any, Any]  # what to do
    folder: str  # where relative paths begin
    markers: tuple[str, ...]  # files in the shared folders, which the worker must see


@dataclass(frozen=True)
class Ready:
    """A worker is set up."""

    # softalign's version and content and the libraries' versions, which must be equal everywhere
    software: Mapping[str, str]
    machine: Mapping[str, str]  # the kind of processor and GPU, which may make a difference in the last bits
    identity: Mapping[str, Any]  # the identity that the set-up gave
    where: str  # the host's name
    process: int  # the worker's process id on that host


@dataclass(frozen=True)
class WorkProgress:
    """Units done since the last message."""

    count: int


@dataclass(frozen=True)
class Done:
    """A task's result, and all units that it counted."""

    result: Any
    count: int


@dataclass(frozen=True)
class Failed:
    """The error of a set-up or a task, and where."""

    error: Exception
    where: str


@dataclass(frozen=True)
class Lost:
    """A worker is no more; said by the engine, not by the worker."""

    reason: str


Message = Ready | WorkProgress | Done | Failed | Lost


class Worker:
    """One worker, in its own process. Memory: what the work's set-up holds, one item and its result."""

    def __init__(self) -> None:
        self._work: Work[Any, Any, Any] | None = None
        self._state: Any = None

    def set_up(self, assignment: Assignment) -> Ready | Failed:
        """Set up for a work."""
        try:
            _go_to(assignment)
            made = assignment.work.set_up(*assignment.work.arguments)
            self._work, self._state = assignment.work, made.state
            return Ready(software(), machine(), dict(made.identity), socket.gethostname(), os.getpid())
        except Exception as error:  # told to the process that hands out the work, and raised there
            return Failed(portable(error), socket.gethostname())

    def run(self, item: Any, count: Count) -> Done | Failed:
        """Do one item; ``count`` is also told while it is being done."""
        if self._work is None:
            raise RuntimeError("this worker is not set up")
        total = 0

        def counted(units: int) -> None:
            nonlocal total
            total += units
            count(units)

        try:
            return Done(self._work.task(self._state, item, counted), total)
        except Exception as error:  # as above
            return Failed(portable(error), socket.gethostname())


def _go_to(assignment: Assignment) -> None:
    missing = [marker for marker in assignment.markers if not Path(marker).is_file()]
    if not Path(assignment.folder).is_dir() or missing:
        folder = str(Path(missing[0]).parent) if missing else assignment.folder
        raise ComputeError(
            f"{folder} is not the same folder there as here; expected the project (and SOFTALIGN_STORE) on a file system "
            "that all nodes share, at the same path"
        )
    os.chdir(assignment.folder)


def portable(error: Exception) -> Exception:
    """The error itself where it can be sent (its traceback as a note), else a `TaskError` that shows it."""
    text = "".join(traceback.format_exception(error))
    try:
        sent = copy.copy(error)
    except Exception:  # an __init__ with arguments of its own
        return TaskError(text)
    sent.add_note(f"in a worker:\n{text}")
    return sent


@cache
def software() -> Mapping[str, str]:
    """Which softalign and which libraries this process would compute with."""
    code = folder_hash(Path(pipeline.__file__).parent, ("**/*.py", "**/*.json"))[:12]
    found = {"softalign": pipeline.__version__, "softalign's code": code, "Python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine() -> Mapping[str, str]:
    """The kind of processor, as far as the libraries that are loaded tell their paths by it."""
    found = {"processor": platform.machine()}
    if (torch := sys.modules.get("torch")) is not None:
        found["instructions"] = torch.backends.cpu.get_cpu_capability()
        if torch.cuda.is_available():
            found["GPU"] = torch.cuda.get_device_name()
    return found


def thread_environment(threads: int) -> dict[str, str]:
    """The variables that limit the threads of all libraries, for a process that has not yet imported them.

    What the user has set lower for a single library stays.
    """
    own = {name: own_limit(name) for name in THREAD_VARIABLES[1:]}
    return dict.fromkeys(THREAD_VARIABLES, str(threads)) | {
        name: str(min(limit, threads)) for name, limit in own.items() if limit
    }


def own_limit(name: str) -> int | None:
    """The number of threads that an environment variable asks for; of OpenMP's ``4,2`` the outermost; None: it says none."""
    first = os.environ.get(name, "").split(",")[0].strip()
    return int(first) or None if first.isdecimal() else None
