"""TSV and CSV: a row a pair, with a column per language, named or numbered.

TSV has no quoting: a tab always separates (the convention of NLP corpora, where quotes are text). CSV follows RFC 4180:
fields may be quoted, and quoted fields may hold line feeds.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

import polars as pl

from pipeline.console.errors import InputError, UserError
from pipeline.corpora.base import (
    CorpusSource,
    ReadRequest,
    Unit,
    require_languages,
)
from pipeline.corpora.lines import MAX_LINE_BYTES, read_lines
from pipeline.corpora.places import Found, find_files

DELIMITERS = (" ||| ", "|||", "\t", ";", "|", ",")
"""What is found between columns, the surest first."""

MAX_RECORD_CHARS = 16 << 20
"""Of a CSV record, whose fields may each hold any number of lines."""


def check_delimiter(delimiter: str | None) -> None:
    """Refuse what can stand between no columns.

    Raises:
        ValueError: saying what can.
    """
    if delimiter is not None and (not delimiter or "\n" in delimiter or "\r" in delimiter):
        raise ValueError(f"delimiter: found {delimiter!r}, expected at least one character, and no line end")


def column_units(request: ReadRequest, default_by_order: bool = True) -> list[Unit]:
    """Units of a format with columns: a file each, with the languages that its columns (or its name) promise.

    Raises:
        UserError: if it can't be told which column is which language.
    """
    units = [unit for found in find_files(request) if (unit := _column_unit(found, request, default_by_order))]
    return require_languages(request, units, str(request.path))


def _column_unit(found: Found, request: ReadRequest, default_by_order: bool) -> Unit | None:
    columns = dict(request.columns)
    names = found.languages
    if not columns and {"a", "b"} <= names.keys():
        columns = {names["a"]: 0, names["b"]: 1}
    elif not columns and request.groups and len(request.groups[0]) == 1:
        columns = {request.groups[0][0]: 0}
    elif not columns and default_by_order:
        if len(request.languages) < 2:
            raise UserError(
                f"corpus {request.name}: which column is which language? give 'columns' (or 'languages', in their order)"
            )
        columns = {language: position for position, language in enumerate(request.languages)}
    groups = [group for group in request.groups if set(group) <= columns.keys()]
    if {"a", "b"} <= names.keys():
        groups = [group for group in groups if set(group) == {names["a"], names["b"]}]
    if not groups:
        return None
    return Unit((found.source,), tuple(groups), tuple(columns.items()))


def likely_delimiter(text: pl.Expr, count: pl.Expr, delimiter: str) -> pl.Expr:
    """What is to be said of a line of one column that holds what other files have between columns."""
    others = [other for other in DELIMITERS if other not in delimiter]
    cases = [
        pl.when((count == 1) & text.str.contains(other, literal=True)).then(pl.lit(delimiter_advice(other)))
        for other in others
    ]
    return pl.coalesce([*cases, pl.lit("")])


def delimiter_advice(delimiter: str) -> str:
    """What to try where columns lack and a line holds this."""
    shown = "\\t" if delimiter == "\t" else delimiter
    return f"; is it separated by '{shown}'? then give the corpus 'delimiter: \"{shown}\"'"


def header_positions(name: str, header: list[str], unit: Unit) -> dict[str, int]:
    """The position of each language's column, by the header.

    Raises:
        InputError: if a column isn't there; the message says which are.
    """
    positions = {}
    for language, column in unit.columns:
        if isinstance(column, int):
            positions[language] = column
        elif column in header:
            positions[language] = header.index(column)
        else:
            shown = ", ".join(field[:40] for field in header[:10])
            likely = next(
                (delimiter_advice(other) for other in DELIMITERS if len(header) == 1 and other in header[0]), ""
            )
            raise InputError(name, f"has no column {column!r}; its columns are {shown}{likely}", 1)
    return positions


def csv_rows(
    source: CorpusSource, encoding: str, bad: dict[int, tuple[str, str | None]], delimiter: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV file with the line on which each starts; blank lines are none.

    Args:
        source: the file.
        encoding: its encoding.
        bad: gets the reason and detail of the record that starts at a line, if any of its lines can't be used.
        delimiter: the character between fields.

    Raises:
        InputError: if a field is longer than 1 MiB, or a record longer than 16 (a quote that is never closed).
    """
    state = {"line": 0, "chars": 0}
    pending: list[tuple[str, str | None]] = []

    def lines() -> Iterator[str]:
        for frame in read_lines(source, encoding):
            for line, text, reason, detail in frame.iter_rows():
                state["line"] = line
                state["chars"] += len(text) + 1
                if state["chars"] > MAX_RECORD_CHARS:
                    problem = f"a record of over {MAX_RECORD_CHARS:,} characters; a quote never closed?"
                    raise InputError(source.name, problem, start)
                if reason is not None and len(pending) < 1:
                    pending.append((reason, detail))
                yield text + "\n"

    csv.field_size_limit(MAX_LINE_BYTES)
    reader, start = csv.reader(lines(), delimiter=delimiter), 1
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                source.name, f"not valid CSV from here on ({error}); a quote never closed?", start
            ) from None
        if pending:
            bad[start] = pending[0]
            pending.clear()
        if record:
            yield start, record
        start, state["chars"] = state["line"] + 1, 0
