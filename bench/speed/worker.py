"""One contestant: sets itself up, then runs its work each time that it is told to, and says what that took.

    python -m speed.worker speed.contestants.teach:softalign '{"folder": "/tmp/row"}'

Reads ``go PATH`` (do the work, then save the output there) or ``go`` from standard input, and answers with a line of JSON. It
runs in the peers' environments too, so it needs nothing but NumPy.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
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

    def restart(self) -> None:
        """Forget what was counted so far."""
        self.wall = self.cpu = 0.0
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


def main() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not stand between the answers
    work = find(sys.argv[1])(json.loads(sys.argv[2]))
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        _, _, path = line.strip().partition(" ")
        clock = Clock()
        output = work(clock)
        clock.stop()
        if path:
            np.savez(Path(path), **(output if isinstance(output, dict) else {"output": np.asarray(output)}))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": clock.wall, "cpu": clock.cpu, "peak_mib": peak}), file=answers, flush=True)


if __name__ == "__main__":
    main()
