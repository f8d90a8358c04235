"""A contestant's process: it sets itself up, then runs its work whenever it is told to, and says what that took.

It runs in the peers' environments too, so it needs nothing but NumPy.
"""

from __future__ import annotations

import importlib
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class Clock:
    """Wall and CPU seconds of this process and of the processes it ran, less those in `paused`."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self._start = self._now()

    def stop(self) -> None:
        """Take the time until now into account."""
        wall, cpu = self._now()
        self.wall += wall - self._start[0]
        self.cpu += cpu - self._start[1]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done inside is not counted."""
        self.stop()
        try:
            yield
        finally:
            self._start = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return time.perf_counter(), sum(part.ru_utime + part.ru_stime for part in used)


Work = Callable[[Clock], Any]
"""A contestant's work, set up: returns its output, an array or a mapping of arrays."""


def find(name: str) -> Callable[[dict[str, Any]], Work]:
    """The function ``module:function``."""
    module, _, function = name.partition(":")
    found: Callable[[dict[str, Any]], Work] = getattr(importlib.import_module(module), function)
    return found


def serve(channel: Any, name: str, options: dict[str, Any]) -> None:
    """Set a contestant up, say so, and work for every message: the path where the output goes, or an empty text."""
    work = find(name)(options)
    channel.send("ready")
    for path in channel:
        clock = Clock()
        output = work(clock)
        clock.stop()
        if path:
            np.savez(path, **(output if isinstance(output, dict) else {"output": np.asarray(output)}))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        channel.send((clock.wall, clock.cpu, peak))
