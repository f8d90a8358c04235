"""Decontamination: what a benchmark asks must not stand in the training text.

The sentences of all benchmarks are held in memory, as hashes of their normal forms (and, for near matches, in a `NearIndex`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.config.prepare import Decontaminate, ForbiddenText
from pipeline.console.errors import UserError
from pipeline.corpora.base import Chunk, CorpusSource, Reader, ReadRequest, Unit
from pipeline.corpora.columnar import columnar_unit, read_columns
from pipeline.corpora.jsonl import JsonLinesReader
from pipeline.corpora.places import find_files
from pipeline.corpora.plain import TextReader
from pipeline.corpora.tabular import CsvReader, TsvReader
from pipeline.text.near import NearIndex
from pipeline.text.normalize import clean_text, normal_form

READERS: dict[str, Reader] = {"text": TextReader(), "tsv": TsvReader(), "csv": CsvReader(), "jsonl": JsonLinesReader()}
Flags = NDArray[np.bool_]
ANY = "und"
EXAMPLES = 5


def benchmark_request(benchmark: ForbiddenText, root: Path) -> ReadRequest:
    """What params.yaml asks of a benchmark's files."""
    return ReadRequest(benchmark.name, root, ((ANY,),), path=benchmark.path, encoding=benchmark.encoding)


@dataclass
class Removed:
    """What one benchmark took of a chunk, or of all text.

    Attributes:
        count: how many training pairs went.
        examples: the first of them, at most `EXAMPLES`: file, line and both sides.
    """

    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


class Benchmarks:
    """All benchmarks of a project: finds their sentences in text, and counts what they took of it.

    Raises:
        UserError: if a file is missing or damaged, or has no such column.
    """

    def __init__(self, config: Decontaminate, root: Path) -> None:
        self.near = config.near
        self.names = [benchmark.name for benchmark in config.benchmarks]
        self.unreadable = dict.fromkeys(self.names, 0)
        self.removed = [Removed() for _ in self.names]
        forms = [self._normal_forms(benchmark, root) for benchmark in config.benchmarks]
        self.sentences = [len(form) for form in forms]
        self.hashes = [form.hash(0).implode() for form in forms]
        if self.near and forms:
            self._index = NearIndex(pl.concat(forms), self.near)
            self._owner = np.repeat(np.arange(len(forms)), self.sentences)

    def _normal_forms(self, benchmark: ForbiddenText, root: Path) -> pl.Series:
        """The unique normal forms of a benchmark's sentences; rows that can't be read are counted."""
        request = benchmark_request(benchmark, root)
        forms = []
        for found in find_files(request):
            columns: list[str | int | None] = [*benchmark.columns] or [None]
            for column in columns:
                for chunk in _chunks(benchmark, found.source, column, request):
                    readable = chunk.frame.filter(pl.col("reason").is_null())
                    self.unreadable[benchmark.name] += chunk.frame.height - readable.height
                    forms.append(readable.select(normal_form(clean_text(pl.col("a")))).to_series())
        unique = pl.concat(forms).unique(maintain_order=True) if forms else pl.Series([], dtype=pl.String)
        unique = unique.filter(unique.str.len_bytes() > 0)
        if not len(unique):
            raise UserError(f"prepare.decontaminate: benchmark {benchmark.name}: {benchmark.path} holds no sentences")
        return unique

    def find(self, frame: pl.DataFrame, sides: list[str]) -> tuple[pl.DataFrame, list[Removed]]:
        """Add ``reason`` (``benchmark``, ``benchmark-near`` or null) and ``detail`` (which) to rows; count by benchmark.

        Rows have text in the columns ``sides`` and normal forms in the same with an ``n`` before.
        """
        by_side = {side: np.zeros((frame.height, len(self.names)), dtype=np.bool_) for side in sides}
        # First what is the same: by the hash of a side's normal form, benchmark by benchmark.
        for side, hits in by_side.items():
            hashed = frame[f"n{side}"].hash(0)
            for number, known in enumerate(self.hashes):
                hits[:, number] = hashed.is_in(known).to_numpy()
        exact: Flags = np.asarray(np.logical_or.reduce([hits.any(axis=1) for hits in by_side.values()]))
        # Then what is nearly the same, in one index of all benchmarks' sentences.
        if self.near and self.names:
            for side, hits in by_side.items():
                met = self._index.matches(frame[f"n{side}"])
                hits[met.rows, self._owner[met.known]] = True
        only_b = ~by_side["a"].any(axis=1)
        marked, removed = self._marked(frame, np.logical_or.reduce(list(by_side.values())), exact)
        in_b = pl.col("reason").is_not_null() & pl.lit(pl.Series(only_b))
        return marked.with_columns(side=pl.when(in_b).then(pl.lit("b"))), removed

    def _marked(self, frame: pl.DataFrame, hits: Flags, exact: Flags) -> tuple[pl.DataFrame, list[Removed]]:
        """The rows [n] with ``reason`` and ``detail``, and what each benchmark took.

        ``hits``: whether a row holds a sentence of a benchmark [n, benchmarks], perhaps nearly; ``exact``: or exactly [n].
        """
        reasons: list[str | None] = [None] * frame.height
        details: list[str | None] = [None] * frame.height
        removed = [Removed(count) for count in hits.sum(axis=0).tolist()]
        for row in np.flatnonzero(hits.any(axis=1)).tolist():
            found = np.flatnonzero(hits[row]).tolist()
            reasons[row] = "benchmark" if exact[row] else "benchmark-near"
            details[row] = ", ".join(self.names[number] for number in found)
            for number in found:
                if len(removed[number].examples) < EXAMPLES:
                    shown = frame.row(row, named=True)
                    removed[number].examples.append({key: shown[key] for key in ("file", "line", "a", "b")})
        texts = {"reason": reasons, "detail": details}
        return frame.with_columns(pl.Series(name, of, dtype=pl.String) for name, of in texts.items()), removed

    def count(self, removed: Sequence[Removed]) -> None:
        """Count a chunk's; chunks come in the order of the corpora. Empty, where it had no training pairs to look at."""
        for total, one in zip(self.removed, removed, strict=False):
            total.count += one.count
            total.examples = (total.examples + one.examples)[:EXAMPLES]

    def as_dict(self) -> dict[str, Any]:
        """By benchmark: its sentences, the training pairs that went for it, and the first of them."""
        return {
            name: {"sentences": count, "removed": removed.count, "examples": removed.examples}
            for name, count, removed in zip(self.names, self.sentences, self.removed, strict=True)
        }


def _chunks(
    benchmark: ForbiddenText, source: CorpusSource, column: str | int | None, request: ReadRequest
) -> Iterator[Chunk]:
    """The rows of one column of a benchmark's file (of a format without columns: of the file)."""
    columns: tuple[tuple[str, str | int], ...] = () if column is None else ((ANY, column),)
    request = replace(request, columns=columns)
    if benchmark.format in {"parquet", "arrow"}:
        unit = columnar_unit(source, benchmark.format, request, ())
        return read_columns(unit, benchmark.format) if unit else iter(())
    if not columns and benchmark.format in {"tsv", "csv"}:
        columns = ((ANY, 0),)
    return READERS[benchmark.format].read(Unit((source,), ((ANY,),), columns), request)
