"""Rows that people judged, from tables and JSON lines, and the task that they make."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.console.errors import InputError
from pipeline.console.plain_text import clip, has_surrogate
from pipeline.evaluation.benchmark import Similarity
from pipeline.evaluation.lines import read_lines
from pipeline.ground.languages import match_language

SCALE = (0.0, 5.0)
"""Of most benchmarks' scores."""

FIELD_CHARS = 1 << 24
"""Of one cell: whole news articles stand in them."""


@dataclass(frozen=True)
class RatedPair:
    """A row: where it stands, two sentences, and the score as found."""

    path: Path
    line: int
    first: Any
    second: Any
    score: Any


def table_rows(
    path: Path, separator: str, columns: tuple[str, str, str] | None, quoting: Any = csv.QUOTE_MINIMAL
) -> Iterator[RatedPair]:
    """Rows of a table; ``columns`` of its header, or None: the first three of a table without one.

    Raises:
        InputError: if it is none, or lacks a column.
    """
    lines = read_lines(path)
    source: Iterable[str] = lines if quoting == csv.QUOTE_NONE else io.StringIO("\n".join(lines), newline="")
    csv.field_size_limit(FIELD_CHARS)
    reader = csv.reader(source, delimiter=separator, quoting=quoting, strict=True)
    places = (0, 1, 2)
    try:
        if columns is not None:
            header = next(reader, [])
            if missing := [name for name in columns if name not in header]:
                raise InputError(path, f"has no column {missing[0]!r}; found {', '.join(header)[:80]}", 1)
            places = (header.index(columns[0]), header.index(columns[1]), header.index(columns[2]))
        for row in reader:
            if len(row) <= max(places):
                found = f"{len(row)} columns, expected at least {max(places) + 1}"
                raise InputError(path, f"found {found}", reader.line_num)
            yield RatedPair(path, reader.line_num, *(row[place] for place in places))
    except csv.Error as error:
        raise InputError(path, f"not a table ({error})", reader.line_num) from None


def json_rows(path: Path, lines: Iterable[str], columns: tuple[str, str, str]) -> Iterator[RatedPair]:
    """Rows of JSON objects, one a line; ``columns`` are both sentences' keys and the score's.

    Raises:
        InputError: if a line is no object, or lacks a key.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            yield RatedPair(path, number, *(row[name] for name in columns))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            problem = f"lacks {error}" if isinstance(error, KeyError) else "is not a JSON object"
            raise InputError(path, f"the line {problem}; expected {', '.join(columns)}", number) from None


def judged_task(
    name: str, a: str, b: str, rows: Sequence[RatedPair], scale: tuple[float, float], units: str
) -> Similarity:
    """A task of judged rows.

    Raises:
        InputError: if there are fewer than three, or a score is out of the scale's range.
    """
    if len(rows) < 3:
        where = rows[0].path if rows else name
        raise InputError(where, f"{len(rows)} judged pairs; expected at least 3 to correlate anything")
    for row in rows:
        if not isinstance(row.first, str) or not isinstance(row.second, str):
            raise InputError(row.path, "a sentence is not text", row.line)
        if has_surrogate(row.first) or has_surrogate(row.second):
            raise InputError(row.path, "a sentence holds a lone surrogate (half of a UTF-16 pair)", row.line)
    gold = np.array([_score(row, scale) for row in rows], dtype=np.float64)
    return Similarity(name, a, b, units, [row.first for row in rows], [row.second for row in rows], gold)


def _score(row: RatedPair, scale: tuple[float, float]) -> float:
    low, high = scale
    try:
        score = float(row.score)
    except (TypeError, ValueError, OverflowError):
        score = math.nan
    if not low <= score <= high:
        raise InputError(
            row.path,
            f"found the score {clip(repr(row.score), 80)}; expected a number from {low:g} to {high:g}",
            row.line,
        )
    return score


def wanted_language(code: str, languages: Sequence[str] | None) -> str | None:
    """The language that a code means, if it is wanted."""
    return code if languages is None else match_language(code, tuple(languages))
