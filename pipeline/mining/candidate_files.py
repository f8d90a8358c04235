"""Candidates that don't fit into memory: kept in files column by column, and sorted in two passes.

The first pass sorts as many candidates as fit, again and again: each such run is written one after the other. Of every run
some candidates, evenly spaced, are samples, and the samples of all runs together cut the order of all into stretches of about
a run's length. The second pass takes a stretch from each run, where it is one slice, and sorts them together. The order is
total (score, then row of side a, then of side b), so a stretch can end between candidates of equal scores, and
the result is that of one sort in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.mining.retrieval import Candidates

TYPES: dict[str, type[np.generic]] = {
    "row_a": np.int64,
    "row_b": np.int64,
    "score": np.float64,
    "cosine": np.float32,
    "mean_a": np.float64,
    "mean_b": np.float64,
    "rank_a_to_b": np.int32,
    "rank_b_to_a": np.int32,
}
SAMPLES = 64
"""Of a run, at least: with r runs, a stretch is at most 1 + r/64 times as long as a run, and hardly longer as a rule."""

KEY_BYTES = 24
_SIGN = np.uint64(1 << 63)


class CandidateFile:
    """Candidates that are written one part after the other and then read by memory map.

    Args:
        folder: where; made if it is not there.
        name: the beginning of its files' names, one for each column.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = {column: folder / f"{name}.{column}" for column in TYPES}
        self._stack = ExitStack()
        self._files = {column: self._stack.enter_context(path.open("wb")) for column, path in self._paths.items()}
        self._count = 0

    def append(self, part: Candidates) -> None:
        """Write some more.

        Raises:
            OSError: if there is no room for them.
        """
        for column, opened in self._files.items():
            try:
                opened.write(np.ascontiguousarray(getattr(part, column), TYPES[column]).data)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(self._paths[column])) from None
        self._count += len(part)

    def close(self) -> Candidates:
        """All that was written, memory-mapped."""
        self._stack.close()
        return Candidates(**{column: self._mapped(column) for column in TYPES})

    def _mapped(self, column: str) -> NDArray[Any]:
        if self._count == 0:
            return np.empty(0, TYPES[column])
        return np.memmap(self._paths[column], TYPES[column], mode="r", shape=(self._count,))

    def delete(self) -> None:
        """Delete the files; whoever still has them mapped can go on reading them."""
        self._stack.close()
        for path in self._paths.values():
            path.unlink(missing_ok=True)


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Several parts as one, in memory."""
    columns = {
        each.name: np.concatenate([getattr(part, each.name) for part in parts])
        if parts
        else np.empty(0, TYPES[each.name])
        for each in fields(Candidates)
    }
    return Candidates(**columns)


def sorted_parts(parts: Iterable[Candidates], folder: Path, run_rows: int) -> Iterator[Candidates]:
    """Candidates in the order of `Candidates.ordered`, in parts of about ``run_rows``.

    Holds about four times ``run_rows`` candidates of 52 bytes, and the samples: 24 bytes each, of each run `SAMPLES` or as
    many as there are runs. Writes all candidates to the folder once, and deletes them when the last part was handed out.

    Args:
        parts: in any order, no pair twice.
        folder: for files.
        run_rows: candidates that are sorted at once.
    """
    runs = CandidateFile(folder, "runs")
    try:
        ends = [0]
        for run in _gathered(parts, run_rows):
            runs.append(run.ordered())
            ends.append(ends[-1] + len(run))
        yield from _merged(runs.close(), list(pairwise(ends)))
    finally:
        runs.delete()


def _gathered(parts: Iterable[Candidates], rows: int) -> Iterator[Candidates]:
    """The same candidates, in parts of at least so many rows, but for the last."""
    held: list[Candidates] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= rows:
            yield joined(held)
            held = []
    if sum(map(len, held)):
        yield joined(held)


def _merged(found: Candidates, runs: Sequence[tuple[int, int]]) -> Iterator[Candidates]:
    if len(runs) < 2:
        yield from (joined([found]) for _ in runs)
        return
    per_run = max(SAMPLES, len(runs))
    samples = []
    for start, stop in runs:
        step = max(1, (stop - start) // per_run)
        samples.append(sort_keys(_part(found, start + step - 1, stop, step)))
    together = np.sort(np.concatenate(samples))
    bounds = together[per_run::per_run]
    cuts = []
    for start, stop in runs:  # a whole run's keys at a time
        inner = np.searchsorted(sort_keys(_part(found, start, stop)), bounds) + start
        cuts.append([start, *inner.tolist(), stop])
    for place in range(len(bounds) + 1):
        pieces = [_part(found, cut[place], cut[place + 1]) for cut in cuts]
        stretch = joined([piece for piece in pieces if len(piece)])
        if len(stretch):
            yield stretch.ordered()


def _part(found: Candidates, start: int, stop: int, step: int = 1) -> Candidates:
    """A slice of candidates, not copied."""
    return found.take(slice(start, stop, step))


def sort_keys(found: Candidates) -> NDArray[np.bytes_]:
    """Keys [p] of 24 bytes whose order is that of `Candidates.ordered`.

    >>> one = np.zeros(3)
    >>> rows = np.array([5, 300, 2])
    >>> found = Candidates(rows, rows, np.array([0.5, 0.5, -1.0]), one, one, one, one, one)
    >>> np.argsort(sort_keys(found)).tolist()
    [0, 1, 2]
    """
    bits = (0.0 - found.score).view(np.uint64)  # 0.0 minus, since -0.0 and 0.0 are equal
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    words = np.empty((len(bits), 3), ">u8")
    words[:, 0], words[:, 1], words[:, 2] = ordered, found.row_a, found.row_b
    return words.view(f"S{KEY_BYTES}").reshape(-1)
