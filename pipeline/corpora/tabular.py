"""TSV and CSV: a row a pair, with a column per language, named or numbered.

TSV has no quoting: a tab always separates (the convention of NLP corpora, where quotes are text). CSV follows RFC 4180:
fields may be quoted, and quoted fields may hold line feeds.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import polars as pl

from pipeline.console.errors import InputError, UserError
from pipeline.corpora.base import (
    SCORE,
    Chunk,
    CorpusSource,
    ReadRequest,
    Unit,
    chunked_groups,
    complete,
    require_languages,
    score_reasons,
)
from pipeline.corpora.lines import MAX_LINE_BYTES, read_lines
from pipeline.corpora.places import Found, find_files

DELIMITERS = (" ||| ", "|||", "\t", ";", "|", ",")
"""What is found between columns, the surest first."""

MAX_RECORD_CHARS = 16 << 20
"""Of a CSV record, whose fields may each hold any number of lines."""


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


class TsvReader:
    """Format ``tsv``."""

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        return column_units(request)

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        source = unit.sources[0]
        frames = read_lines(source, request.encoding)
        wanted = unit if request.score is None else replace(unit, columns=(*unit.columns, (SCORE, request.score)))
        if any(isinstance(column, str) for _, column in wanted.columns):
            first = next(frames, None)
            if first is None:
                raise InputError(source.name, "is empty, expected a header with the columns' names", 1)
            positions = header_positions(source.name, first["text"][0].split(request.delimiter or "\t"), wanted)
            frames = chain([first.slice(1)], frames)
        else:
            positions = {language: int(column) for language, column in wanted.columns}
        for frame in frames:
            yield from self._chunks(frame, unit, positions, source.name, request)

    def _chunks(
        self, frame: pl.DataFrame, unit: Unit, positions: dict[str, int], name: str, request: ReadRequest
    ) -> Iterator[Chunk]:
        delimiter = request.delimiter or "\t"
        read = {language for group in unit.groups for language in group} | (positions.keys() & {SCORE})
        needed = max(positions[column] for column in read) + 1
        fields = frame["text"].str.splitn(delimiter, needed + 1)
        frame = frame.with_columns(fields=fields)
        for group in unit.groups:
            sides = [pl.col("fields").struct.field(f"field_{positions[language]}") for language in group]
            missing = pl.any_horizontal(side.is_null() for side in sides)
            low, score = pl.lit(None, pl.String), pl.lit(None, pl.String)
            if SCORE in positions:
                field = pl.col("fields").struct.field(f"field_{positions[SCORE]}")
                missing |= field.is_null()
                low, score = score_reasons(field, request.min_score)
            count = pl.col("text").str.count_matches(delimiter, literal=True) + 1
            detail = pl.format("{} columns, expected {}{}", count, needed, _likely(pl.col("text"), count, delimiter))
            unusable = pl.col("reason").is_not_null()
            columns = {
                "a": pl.when(unusable | missing).then("text").otherwise(sides[0]),
                "b": pl.when(unusable | missing).then(pl.lit("")).otherwise(sides[1])
                if len(group) > 1
                else pl.lit(None),
                "file": pl.lit(name),
                "doc": pl.lit(""),
                "reason": pl.coalesce("reason", pl.when(missing).then(pl.lit("missing-column")), low),
                "detail": pl.coalesce(
                    "detail", pl.when(missing & ~unusable).then(detail), pl.when(~unusable).then(score)
                ),
            }
            yield Chunk(group, complete(frame.with_columns(**columns)))


def _likely(text: pl.Expr, count: pl.Expr, delimiter: str) -> pl.Expr:
    """What is to be said of a line of one column that holds what other files have between columns."""
    others = [other for other in DELIMITERS if other not in delimiter]
    cases = [
        pl.when((count == 1) & text.str.contains(other, literal=True)).then(pl.lit(_advice(other))) for other in others
    ]
    return pl.coalesce([*cases, pl.lit("")])


def _advice(delimiter: str) -> str:
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
            likely = next((_advice(other) for other in DELIMITERS if len(header) == 1 and other in header[0]), "")
            raise InputError(name, f"has no column {column!r}; its columns are {shown}{likely}", 1)
    return positions


class CsvReader:
    """Format ``csv``."""

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        return column_units(request)

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from chunked_groups(self._rows(unit, request))

    def _rows(self, unit: Unit, request: ReadRequest) -> Iterator[tuple[tuple[str, ...], tuple[object, ...]]]:
        source = unit.sources[0]
        bad: dict[int, tuple[str, str | None]] = {}
        rows = csv_rows(source, request.encoding, bad, request.delimiter or ",")
        positions = {language: column for language, column in unit.columns if isinstance(column, int)}
        if len(positions) < len(unit.columns):
            header = next(rows, None)
            if header is None:
                raise InputError(source.name, "is empty, expected a header with the columns' names", 1)
            positions = header_positions(source.name, header[1], unit)
        for line, fields in rows:
            reason, detail = bad.pop(line, (None, None))
            for group in unit.groups:
                sides = [
                    fields[positions[language]] if positions[language] < len(fields) else None for language in group
                ]
                if reason is None and None in sides:
                    detail = f"{len(fields)} columns, expected {max(positions.values()) + 1}"
                    if len(fields) == 1 and (other := next((one for one in DELIMITERS if one in fields[0]), None)):
                        detail += _advice(other)
                    yield group, (",".join(fields), "", source.name, line, "", "missing-column", detail)
                else:
                    side_b = sides[1] if len(group) > 1 else None
                    yield group, (sides[0], side_b, source.name, line, "", reason, detail)


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
