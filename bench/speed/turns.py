"""Contestants by turns, and what comes of it."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import execnet
import numpy as np
from numpy.typing import NDArray

BENCH = Path(__file__).resolve().parent.parent
START = """
import sys
sys.path[:0] = channel.receive()
from speed.worker import serve
serve(channel, *channel.receive())
"""
Outputs = Mapping[str, Mapping[str, NDArray[Any]]]


@dataclass(frozen=True)
class Contestant:
    """Who runs."""

    name: str  # its name in the table
    function: str  # ``module:function`` in `speed.contestants`
    options: Mapping[str, Any] = field(
        default_factory=dict
    )  # the function's argument, besides ``folder`` and ``threads``
    environment: str | None = None  # the virtual environment it runs in: a name under ``--peers``; None for this one


@dataclass
class Spent:
    """What one contestant's timed runs took, round by round."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mib: float = 0.0


@dataclass(frozen=True)
class Ratio:
    """How one contestant's time compares with another's, round by round."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, above: list[float], below: list[float]) -> Ratio:
        """The ratio of times in equal rounds.

        >>> Ratio.of([2.0, 3.0, 8.0], [1.0, 2.0, 2.0])
        Ratio(median=2.0, least=1.5, most=4.0)
        """
        ratios = [one / other for one, other in zip(above, below, strict=True)]
        return cls(*(round(found, 4) for found in (statistics.median(ratios), min(ratios), max(ratios))))

    def __str__(self) -> str:
        """Median (least-most)."""
        return f"{self.median:.3g} ({self.least:.3g}-{self.most:.3g})"


class Worker:
    """A contestant's process; execnet starts it by any interpreter and carries messages to and from it."""

    def __init__(self, group: execnet.Group, contestant: Contestant, peers: Path, folder: Path, threads: int) -> None:
        self.contestant = contestant
        found = peers / contestant.environment / "bin" / "python" if contestant.environment else Path(sys.executable)
        # Set before the process imports anything that reads them.
        environment = {"OMP_NUM_THREADS": threads, "RAYON_NUM_THREADS": threads}
        environment |= {"TOKENIZERS_PARALLELISM": "true", "HF_HUB_OFFLINE": "1"}
        settings = "".join(f"//env:{name}={value}" for name, value in environment.items())
        self.channel = group.makegateway(f"popen//python={found}{settings}").remote_exec(START)
        self.channel.send([str(BENCH), str(BENCH.parent)])
        self.channel.send((contestant.function, {"folder": str(folder), "threads": threads, **contestant.options}))
        self._answer()

    def go(self, output: Path | None = None) -> tuple[float, float, float]:
        """Run the work once; returns seconds, CPU seconds and the process' peak in MiB."""
        self.channel.send(str(output or ""))
        answer: tuple[float, float, float] = self._answer()
        return answer

    def _answer(self) -> Any:
        try:
            return self.channel.receive()
        except (execnet.RemoteError, EOFError) as error:
            raise RuntimeError(f"{self.contestant.name} stopped ({self.contestant.function}):\n{error}") from None


def by_turns(
    contestants: list[Contestant],
    folder: Path,
    rounds: int,
    threads: int,
    peers: Path,
    agree: Callable[[Outputs], dict[str, Any]],
) -> tuple[dict[str, Spent], dict[str, Any]]:
    """Run all once untimed (a warm-up), compare what they gave, then time them by turns, forwards and backwards.

    ``agree`` raises AssertionError where the outputs differ by more than they may, and returns how much they do. Returns the
    times by contestant, and what ``agree`` returned.
    """
    group = execnet.Group()
    try:
        workers: dict[str, Worker] = {}
        outputs: dict[str, Mapping[str, NDArray[Any]]] = {}
        for contestant in contestants:
            workers[contestant.name] = worker = Worker(group, contestant, peers, folder, threads)
            path = folder / f"{contestant.name.replace('/', '-')}.npz"
            worker.go(path)
            with np.load(path) as loaded:
                outputs[contestant.name] = dict(loaded)
        agreement = agree(outputs)
        spent = {contestant.name: Spent() for contestant in contestants}
        for number in range(rounds):
            for contestant in contestants if number % 2 == 0 else contestants[::-1]:
                seconds, cpu, peak = workers[contestant.name].go()
                part = spent[contestant.name]
                part.seconds.append(seconds)
                part.cpu.append(cpu)
                part.peak_mib = max(part.peak_mib, peak)
        return spent, agreement
    finally:
        group.terminate(timeout=10)
