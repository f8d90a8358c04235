"""What a row is, and the checks that many rows share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.turns import Contestant, Outputs, Ratio, Spent, by_turns


@dataclass(frozen=True)
class Run:
    """How rows are run.

    Attributes:
        text: a folder of ``<a>-<b>/*.tsv.zst``; None for the default run's text.
        folder: the row's, empty at first.
        rounds: timed runs of each contestant.
        threads: of each contestant.
        peers: folder of other virtual environments.
        sizes: numbers that replace a row's own, by name.
    """

    text: Path | None
    folder: Path
    rounds: int
    threads: int
    peers: Path
    sizes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bar:
    """What a row has to reach.

    Attributes:
        title: in the table.
        value: the measured ratio, by rounds.
        least: it has to be at least this; None where there is another bound.
        most: it may be at most this.
        cpu: the same of CPU time, where the machine may have been busy.
    """

    title: str
    value: Ratio
    least: float | None = None
    most: float | None = None
    cpu: Ratio | None = None

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the bar; None where there is none."""
        if self.least is None and self.most is None:
            return None
        above = self.least is None or self.value.median >= self.least
        return above and (self.most is None or self.value.median <= self.most)

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "title": self.title,
            "value": self.value.record(),
            "least": self.least,
            "most": self.most,
            "cpu": self.cpu.record() if self.cpu else None,
            "met": self.met,
        }


@dataclass(frozen=True)
class Measured:
    """What a row gave.

    Attributes:
        spent: times by contestant.
        agreement: how outputs compare.
        bars: the ratios and what they have to reach.
        notes: other numbers, by name.
    """

    spent: dict[str, Spent]
    agreement: dict[str, Any]
    bars: list[Bar]
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        name: on the command line, and of the result's file.
        title: in the table.
        sizes: its numbers, which ``--size NAME=VALUE`` replaces.
        measure: runs it.
        needs: virtual environments of peers.
    """

    name: str
    title: str
    sizes: Mapping[str, float]
    measure: Callable[[Run, Mapping[str, Any]], Measured]
    needs: tuple[str, ...] = ()

    def run(self, run: Run) -> Measured:
        """Run it with its own sizes, but for those that the run replaces."""
        sizes = {name: type(value)(run.sizes.get(name, value)) for name, value in self.sizes.items()}
        return self.measure(run, sizes)


def race(
    run: Run, contestants: list[Contestant], agree: Callable[[Outputs], dict[str, Any]], rounds: int | None = None
) -> tuple[dict[str, Spent], dict[str, Any]]:
    """`by_turns` in a row's folder."""
    return by_turns(contestants, run.folder, rounds or run.rounds, run.threads, run.peers, agree)


def faster(title: str, spent: Mapping[str, Spent], ours: str, theirs: str, least: float | None) -> Bar:
    """How many times as fast as another contestant one is."""
    one, other = spent[ours], spent[theirs]
    return Bar(title, Ratio.of(other.seconds, one.seconds), least, cpu=Ratio.of(other.cpu, one.cpu))


def cosines(outputs: Outputs, ours: str, theirs: str, least: float) -> dict[str, Any]:
    """Cosines of two contestants' vectors, row by row.

    Raises:
        AssertionError: if the lowest is below ``least``.
    """
    x, y = (unit(outputs[name]["output"]) for name in (ours, theirs))
    if x.shape != y.shape:
        raise AssertionError(f"{ours} gave {x.shape}, {theirs} {y.shape}")
    found = np.einsum("nd,nd->n", x, y)[np.any(x, axis=1)]
    if found.min() < least:
        row = int(found.argmin())
        raise AssertionError(f"{ours} and {theirs}: row {row} has a cosine of {found.min():.5f}, expected {least}")
    return {f"cosine of {ours} with {theirs}": {"least": float(found.min()), "mean": float(found.mean())}}


def unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """Vectors [n, d] of length 1; a zero vector stays."""
    wide = vectors.astype(np.float64)
    scaled: NDArray[np.float64] = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return scaled
