"""Mined pairs in the formats that others read.

Parquet holds everything; the others (`pipeline.mining.formats` has them) hold the two texts and, where there is room, the
score. Every writer streams, keeps the order of the pairs, and gives both sides equally many lines: what would break a line
(line and paragraph separators) or a column (tabs, in TSV) becomes a space.

Texts are written as they are otherwise. A TSV is meant for programs; a cell that begins with ``=``, ``+``, ``-`` or
``@`` is a formula to a spreadsheet, and changing it would corrupt a corpus, so import the file as text there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

import numpy as np
import pyarrow as pa

from pipeline.artifacts.table_rows import take_rows
from pipeline.console.errors import UserError
from pipeline.ground.arrays import CHUNK, Rows
from pipeline.ground.atomic import atomic_file
from pipeline.ground.registry import Registry
from pipeline.mining.retrieval import Candidates

if TYPE_CHECKING:
    import polars as pl

BREAKS = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
"""Everything that some reader of text files takes for the end of a line."""


@dataclass(frozen=True)
class OutputSide:
    """The sentences of one side, row by row as its vectors.

    Attributes:
        language: its code, for TMX and file names.
        table: column ``text``, and any columns of provenance (``id``, ``corpus``, ``file``, ``line``, ``doc``, …); may
            be memory-mapped.
    """

    language: str
    table: pa.Table

    @classmethod
    def of(cls, language: str, texts: Sequence[str], **provenance: Any) -> OutputSide:
        """A side from texts [n] and columns of provenance [n]."""
        return cls(language, pa.table({"text": pa.array(texts, pa.string()), **provenance}))

    def texts(self, rows: Rows) -> list[str]:
        """The sentences of some rows."""
        texts: list[str] = take_rows(self.table.select(["text"]), rows).column("text").to_pylist()
        return texts


@dataclass(frozen=True)
class PairsToWrite:
    """Pairs, and all that some form of output may say of them.

    Attributes:
        pairs: in the order of the file.
        a: side a's sentences.
        b: side b's.
        made_by: the run's identity (models, options, threshold, search): JSON values, no times, no paths.
        more: further columns, by side a's rows [n].
        ids: for each side's rows, the ids that its sentences came with; None where they came without.
    """

    pairs: Candidates
    a: OutputSide
    b: OutputSide
    made_by: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, pl.Series] = field(default_factory=dict)
    ids: tuple[Sequence[str], Sequence[str]] | None = None


class PairFormat:
    """A form in which pairs are written: a file of `pipeline.mining.formats`.

    Attributes:
        name: the suffix of its files, without the dot.
        needs_languages: whether both sides' languages must be known.
        needs_ids: whether sentences must have come with ids.
    """

    name: ClassVar[str] = ""
    needs_languages: ClassVar[bool] = False
    needs_ids: ClassVar[bool] = False

    def write(self, path: Path, found: PairsToWrite) -> None:
        """Write pairs, holding at most 65,536 and their texts in memory; a file that is cut short is never seen."""
        raise NotImplementedError


PAIR_FORMATS = Registry("form of output", "pipeline.mining.formats", PairFormat)


def format_of(path: Path) -> PairFormat:
    """The form of a file, by its suffix.

    Raises:
        UserError: if there is none of that suffix.
    """
    names = PAIR_FORMATS.names()
    if (name := path.suffix.removeprefix(".")) not in names:
        expected = ", ".join(f".{name}" for name in names)
        raise UserError(f"--out: {path}: found suffix {path.suffix!r}, expected one of {expected}")
    return PAIR_FORMATS.find(name)()


def one_line(text: str) -> str:
    r"""A text without anything that ends a line: runs of such characters become one space.

    >>> one_line("a\r\nb\u2028c")
    'a b c'
    """
    return BREAKS.sub(" ", text)


def _parts(pairs: Candidates) -> Iterator[Candidates]:
    for start in range(0, len(pairs), CHUNK):
        yield pairs.take(np.arange(start, min(start + CHUNK, len(pairs))))


def text_parts(pairs: Candidates, a: OutputSide, b: OutputSide) -> Iterator[tuple[Candidates, list[str], list[str]]]:
    """The pairs with their texts, at most 65,536 at a time."""
    for part in _parts(pairs):
        yield part, a.texts(part.row_a), b.texts(part.row_b)


def pair_tables(
    pairs: Candidates, a: OutputSide, b: OutputSide, more: Mapping[str, pl.Series] | None = None
) -> Iterator[pa.Table]:
    """The pairs as tables of at most 65,536 rows; at least one, so that a file without pairs has its columns.

    Columns: score, cosine, mean_a, mean_b, rank_a_to_b, rank_b_to_a, row_a, row_b (see `Candidates`), those of ``more`` (by
    side a's rows [n]), then every column of side a with the suffix ``_a`` and of side b with ``_b``.
    """
    for part in _parts(pairs) if len(pairs) else iter([pairs]):
        columns: dict[str, Any] = {
            name: pa.array(getattr(part, name))
            for name in ("score", "cosine", "mean_a", "mean_b", "rank_a_to_b", "rank_b_to_a", "row_a", "row_b")
        }
        columns |= {name: column.gather(part.row_a).to_arrow() for name, column in (more or {}).items()}
        for suffix, side, rows in (("a", a, part.row_a), ("b", b, part.row_b)):
            taken = take_rows(side.table, rows)
            columns |= {f"{name}_{suffix}": taken.column(name) for name in taken.column_names}
        yield pa.table(columns)


def open_text(stack: ExitStack, path: Path) -> TextIO:
    """A text file that is there when the stack ends without an error."""
    temporary = stack.enter_context(atomic_file(path))
    return stack.enter_context(temporary.open("w", encoding="utf-8", newline="\n"))


def write_moses(stem: Path, pairs: Candidates, a: OutputSide, b: OutputSide) -> tuple[Path, Path]:
    """Write two files of equally many lines, ``<stem>.<language>``; returns their paths.

    Raises:
        ValueError: if both sides have the same language, and so the same file.
    """
    if a.language == b.language:
        raise ValueError(f"both sides are {a.language!r}; Moses files are named by language")
    paths = stem.with_name(f"{stem.name}.{a.language}"), stem.with_name(f"{stem.name}.{b.language}")
    with ExitStack() as stack:
        files = [open_text(stack, path) for path in paths]
        for _, *sides in text_parts(pairs, a, b):
            for opened, texts in zip(files, sides, strict=True):
                opened.writelines(f"{one_line(text)}\n" for text in texts)
    return paths
