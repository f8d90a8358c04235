"""What a row is, and what many rows share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.turns import Contestant, Outputs, Ratio, Spent, by_turns

OURS, SBERT = "softalign", "sentence-transformers"


@dataclass(frozen=True)
class Run:
    """How rows are run."""

    text: Path | None  # a folder of ``<a>-<b>/*.tsv.zst``; None for the default run's text
    folder: Path  # the row's own, empty at first
    rounds: int  # timed runs of each contestant
    threads: int  # threads that each contestant may use
    peers: Path  # the folder of other virtual environments
    sizes: Mapping[str, float] = field(default_factory=dict)  # numbers that replace a row's own, by name


@dataclass(frozen=True)
class Bar:
    """What a row has to reach."""

    title: str  # its name in the table
    value: Ratio  # the measured ratio, over rounds
    least: float | None = None  # the value has to be at least this; None where there is another bound
    most: float | None = None  # the value may be at most this
    cpu: Ratio | None = None  # the ratio of CPU time, where the machine may have been busy

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the bar; None where there is none."""
        if self.least is None and self.most is None:
            return None
        above = self.least is None or self.value.median >= self.least
        return above and (self.most is None or self.value.median <= self.most)


@dataclass(frozen=True)
class Measured:
    """What a row gave."""

    spent: dict[str, Spent]  # times by contestant
    agreement: dict[str, Any]  # how outputs compare
    bars: list[Bar]  # the ratios and what they have to reach


@dataclass(frozen=True)
class Row:
    """One comparison."""

    name: str  # its name on the command line, and of the result's file
    title: str  # its name in the table
    sizes: Mapping[str, float]  # its numbers, which ``--size NAME=VALUE`` replaces
    measure: Callable[[Run, Mapping[str, Any]], Measured]  # runs it
    needs: tuple[str, ...] = ()  # virtual environments of peers

    def run(self, run: Run) -> Measured:
        """Run it with its own sizes, but for those that the run replaces."""
        return self.measure(run, {name: type(value)(run.sizes.get(name, value)) for name, value in self.sizes.items()})


def race(
    run: Run, contestants: list[Contestant], agree: Callable[[Outputs], dict[str, Any]], rounds: int | None = None
) -> tuple[dict[str, Spent], dict[str, Any]]:
    """`by_turns` in a row's folder."""
    return by_turns(contestants, run.folder, rounds or run.rounds, run.threads, run.peers, agree)


def duel(
    run: Run,
    ours: str,
    theirs: tuple[str, str],
    options: Mapping[str, Any],
    agree: Callable[[Outputs, str, str], dict[str, Any]],
    bar: tuple[str, float],
) -> Measured:
    """One peer against softalign.

    Args:
        run: how it is run.
        ours: softalign's function.
        theirs: the peer's name and function.
        options: the options that both get.
        agree: compares the outputs of two names.
        bar: the bar's title, and how many times as fast softalign has to be.
    """
    peer = theirs[0]
    contestants = [Contestant(OURS, ours, options), Contestant(peer, theirs[1], options)]
    spent, agreement = race(run, contestants, lambda outputs: agree(outputs, OURS, peer))
    return Measured(spent, agreement, [faster(bar[0], spent, OURS, peer, bar[1])])


def faster(
    title: str, spent: Mapping[str, Spent], ours: str, theirs: str, least: float | None, work: float = 1.0
) -> Bar:
    """How many times as fast as another contestant one is, which did ``work`` times as much."""
    wall, cpu = (
        Ratio.of([work * value for value in getattr(spent[theirs], kind)], getattr(spent[ours], kind))
        for kind in ("seconds", "cpu")
    )
    return Bar(title, wall, least, cpu=cpu)


def cosines(outputs: Outputs, ours: str, theirs: str, least: float = 0.9999) -> dict[str, Any]:
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
