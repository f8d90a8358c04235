"""Contestants by turns, and what comes of it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BENCH = Path(__file__).resolve().parent.parent
Outputs = Mapping[str, Mapping[str, NDArray[Any]]]


@dataclass(frozen=True)
class Contestant:
    """Who runs.

    Attributes:
        name: in the table.
        function: ``module:function`` in `speed.contestants`.
        options: its argument, besides ``folder`` and ``threads``.
        environment: the virtual environment it runs in: a name under ``--peers``; None for this one.
    """

    name: str
    function: str
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: str | None = None


@dataclass
class Spent:
    """What one contestant's timed runs took, round by round."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mib: float = 0.0


class Worker:
    """A contestant's process."""

    def __init__(self, contestant: Contestant, python: Path, folder: Path, threads: int) -> None:
        self.contestant, self.log = contestant, folder / f"{contestant.name.replace('/', '-')}.log"
        options = {"folder": str(folder), "threads": threads, **contestant.options}
        environment = os.environ | {
            "OMP_NUM_THREADS": str(threads),
            "RAYON_NUM_THREADS": str(threads),
            "PYTHONPATH": os.pathsep.join([str(BENCH), str(BENCH.parent), os.environ.get("PYTHONPATH", "")]),
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "true",
        }
        self.process = subprocess.Popen(
            [python, "-m", "speed.worker", contestant.function, json.dumps(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log.open("w"), text=True, env=environment,
        )  # fmt: skip
        self._answer()

    def go(self, output: Path | None = None) -> dict[str, float]:
        """Run the work once; what it took."""
        assert self.process.stdin is not None  # noqa: S101
        self.process.stdin.write(f"go {output or ''}\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None  # noqa: S101
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict[str, float]:
        assert self.process.stdout is not None  # noqa: S101
        line = self.process.stdout.readline()
        if not line:
            tail = "\n".join(self.log.read_text().splitlines()[-15:])
            raise RuntimeError(f"{self.contestant.name} stopped ({self.contestant.function}):\n{tail}")
        answer: dict[str, float] = json.loads(line)
        return answer


def by_turns(
    contestants: list[Contestant],
    folder: Path,
    rounds: int,
    threads: int,
    peers: Path,
    agree: Callable[[Outputs], dict[str, Any]],
) -> tuple[dict[str, Spent], dict[str, Any]]:
    """Run all once untimed (a warm-up), compare what they gave, then time them by turns.

    Args:
        contestants: A, B, …; odd rounds run them forwards, even ones backwards.
        folder: the row's, with its inputs.
        rounds: timed runs of each.
        threads: of each.
        peers: folder of other virtual environments.
        agree: raises AssertionError where the outputs differ by more than they may; returns how much they do.

    Returns:
        Times by contestant, and what ``agree`` returned.
    """
    workers: dict[str, Worker] = {}
    try:
        outputs: dict[str, Mapping[str, NDArray[Any]]] = {}
        for contestant in contestants:
            python = (
                peers / contestant.environment / "bin" / "python" if contestant.environment else Path(sys.executable)
            )
            workers[contestant.name] = worker = Worker(contestant, python, folder, threads)
            path = folder / f"{contestant.name.replace('/', '-')}.npz"
            worker.go(path)
            with np.load(path) as loaded:
                outputs[contestant.name] = dict(loaded)
        agreement = agree(outputs)
        spent = {contestant.name: Spent() for contestant in contestants}
        for number in range(rounds):
            for contestant in contestants if number % 2 == 0 else contestants[::-1]:
                answer = workers[contestant.name].go()
                part = spent[contestant.name]
                part.seconds.append(answer["seconds"])
                part.cpu.append(answer["cpu"])
                part.peak_mib = max(part.peak_mib, answer["peak_mib"])
        return spent, agreement
    finally:
        for worker in workers.values():
            worker.close()


@dataclass(frozen=True)
class Ratio:
    """How one contestant's time compares with another's, round by round.

    Attributes:
        median: over rounds.
        least: the smallest.
        most: the largest.
    """

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, above: list[float], below: list[float]) -> Ratio:
        """Of the times in equal rounds.

        >>> Ratio.of([2.0, 3.0, 8.0], [1.0, 2.0, 2.0])
        Ratio(median=2.0, least=1.5, most=4.0)
        """
        ratios = [one / other for one, other in zip(above, below, strict=True)]
        return cls(statistics.median(ratios), min(ratios), max(ratios))

    def __str__(self) -> str:
        """Median (least-most)."""
        return f"{self.median:.3g} ({self.least:.3g}-{self.most:.3g})"

    def record(self) -> dict[str, float]:
        """For JSON."""
        return {name: round(value, 4) for name, value in asdict(self).items()}
