"""Decontamination: what a benchmark asks must not stand in the training text.

The sentences of all benchmarks are held in memory, as hashes of their normal forms (and, for near matches, in a `NearIndex`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.config.prepare import Decontaminate, ForbiddenText
from pipeline.console.errors import UserError
from pipeline.corpora.base import ReadRequest
from pipeline.corpora.registry import plain_reader
from pipeline.text.near import NearIndex
from pipeline.text.normalize import clean_text, normal_form

Flags = NDArray[np.bool_]
ANY = "und"
EXAMPLES = 5


def benchmark_request(benchmark: ForbiddenText, root: Path) -> ReadRequest:
    """What params.yaml asks of a benchmark's files."""
    return ReadRequest(benchmark.name, root, ((ANY,),), path=benchmark.path, encoding=benchmark.encoding)


@dataclass(frozen=True)
class Removed:
    """What one benchmark took of a chunk.

    Attributes:
        count: training pairs.
        examples: the first of them.
    """

    count: int
    examples: list[dict[str, Any]]


class Benchmarks:
    """All benchmarks of a project.

    Args:
        config: which, and how near is too near.
        root: the folder that paths are relative to.

    Raises:
        UserError: if a file is missing or damaged, or has no such column.
    """

    def __init__(self, config: Decontaminate, root: Path) -> None:
        self.near = config.near
        self.names = [benchmark.name for benchmark in config.benchmarks]
        self.unreadable = [0] * len(self.names)
        forms = [self._normal_forms(number, benchmark, root) for number, benchmark in enumerate(config.benchmarks)]
        self.sentences = [len(form) for form in forms]
        self.hashes = [form.hash(0).implode() for form in forms]
        if self.near and forms:
            self._index = NearIndex(pl.concat(forms), self.near)
            self._owner = np.repeat(np.arange(len(forms)), self.sentences)

    def _normal_forms(self, number: int, benchmark: ForbiddenText, root: Path) -> pl.Series:
        """The unique normal forms of a benchmark's sentences; rows that can't be read are counted."""
        request, reader = benchmark_request(benchmark, root), plain_reader(benchmark.format)
        forms = []
        columns: list[str | int | None] = [*benchmark.columns] or [None]
        for column in columns:
            asked = request if column is None else replace(request, columns=((ANY, column),))
            for chunk in (chunk for unit in reader.units(asked) for chunk in reader.read(unit, asked)):
                readable = chunk.frame.filter(pl.col("reason").is_null())
                self.unreadable[number] += chunk.frame.height - readable.height
                forms.append(readable.select(normal_form(clean_text(pl.col("a")))).to_series())
        unique = pl.concat(forms).unique(maintain_order=True) if forms else pl.Series([], dtype=pl.String)
        unique = unique.filter(unique.str.len_bytes() > 0)
        if not len(unique):
            raise UserError(f"prepare.decontaminate: benchmark {benchmark.name}: {benchmark.path} holds no sentences")
        return unique

    def find(self, frame: pl.DataFrame, sides: list[str]) -> tuple[pl.DataFrame, list[Removed]]:
        """Add ``reason`` (``benchmark``, ``benchmark-near`` or null) and ``detail`` (which) to rows; count by benchmark.

        Args:
            frame: rows with text in the columns ``sides`` and normal forms in the same with an ``n`` before.
            sides: ``["a", "b"]``.
        """
        by_side = {side: np.zeros((frame.height, len(self.names)), dtype=np.bool_) for side in sides}
        for side, hits in by_side.items():
            hashed = frame[f"n{side}"].hash(0)
            for number, known in enumerate(self.hashes):
                hits[:, number] |= hashed.is_in(known).to_numpy()
        exact: Flags = np.asarray(np.logical_or.reduce([hits.any(axis=1) for hits in by_side.values()]))
        if self.near and self.names:
            for side, hits in by_side.items():
                met = self._index.matches(frame[f"n{side}"])
                hits[met.rows, self._owner[met.known]] = True
        only_b = ~by_side["a"].any(axis=1)
        marked, removed = self._marked(frame, np.logical_or.reduce(list(by_side.values())), exact)
        in_b = pl.col("reason").is_not_null() & pl.lit(pl.Series(only_b))
        return marked.with_columns(side=pl.when(in_b).then(pl.lit("b"))), removed

    def _marked(self, frame: pl.DataFrame, hits: Flags, exact: Flags) -> tuple[pl.DataFrame, list[Removed]]:
        reasons: list[str | None] = [None] * frame.height
        details: list[str | None] = [None] * frame.height
        examples: list[list[dict[str, Any]]] = [[] for _ in self.names]
        for row in np.flatnonzero(hits.any(axis=1)).tolist():
            reasons[row] = "benchmark" if exact[row] else "benchmark-near"
            found = np.flatnonzero(hits[row]).tolist()
            details[row] = ", ".join(self.names[number] for number in found)
            for number in found:
                if len(examples[number]) < EXAMPLES:
                    shown = frame.row(row, named=True)
                    examples[number].append({key: shown[key] for key in ("file", "line", "a", "b")})
        removed = [Removed(count, some) for count, some in zip(hits.sum(axis=0).tolist(), examples, strict=True)]
        marked = frame.with_columns(
            pl.Series("reason", reasons, dtype=pl.String), pl.Series("detail", details, dtype=pl.String)
        )
        return marked, removed


class BenchmarkAccount:
    """What all benchmarks took of all text.

    Args:
        benchmarks: whose sentences they are.
    """

    def __init__(self, benchmarks: Benchmarks) -> None:
        self.names, self.sentences = benchmarks.names, benchmarks.sentences
        self.unreadable = dict(zip(benchmarks.names, benchmarks.unreadable, strict=True))
        self.removed = [0] * len(self.names)
        self.examples: list[list[dict[str, Any]]] = [[] for _ in self.names]

    def add(self, removed: Sequence[Removed]) -> None:
        """Count a chunk's; chunks come in the order of the corpora. Empty, where it had no training pairs to look at."""
        for number, one in enumerate(removed):
            self.removed[number] += one.count
            self.examples[number] = (self.examples[number] + one.examples)[:EXAMPLES]

    def as_dict(self) -> dict[str, Any]:
        """By benchmark: its sentences, the training pairs that went for it, and the first of them."""
        rows = zip(self.names, self.sentences, self.removed, self.examples, strict=True)
        return {
            name: {"sentences": count, "removed": removed, "examples": examples}
            for name, count, removed, examples in rows
        }
