"""TSV and CSV: a row a pair, with a column per language, named or numbered.

TSV has no quoting: a tab always separates (the convention of NLP corpora, where quotes are text). CSV follows RFC 4180:
fields may be quoted, and quoted fields may hold line feeds. Both become frames of `RECORDS`, which are read alike.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from pipeline.console.errors import InputError, UserError
from pipeline.corpora.base import SCORE, Chunk, CorpusSource, ReadRequest, Unit, batched, complete, score_reasons
from pipeline.corpora.lines import LINES, MAX_LINE_BYTES, read_lines
from pipeline.corpora.places import Found

if TYPE_CHECKING:
    import polars as pl

DELIMITERS = (" ||| ", "|||", "\t", ";", "|", ",")
"""What is found between columns, the surest first."""

MAX_RECORD_CHARS = 16 << 20
"""Characters of a CSV record, whose fields may each hold any number of lines."""

RECORDS = {**LINES, "fields": list[str]}
"""A record: the line where it starts, its text, why it can't be used (null: it can), and its fields."""


def check_delimiter(delimiter: str | None) -> None:
    """Refuse what can stand between no columns.

    Raises:
        ValueError: saying what can.
    """
    if delimiter is not None and (not delimiter or "\n" in delimiter or "\r" in delimiter):
        raise ValueError(f"delimiter: found {delimiter!r}, expected at least one character, and no line end")


def column_unit(found: Found, request: ReadRequest) -> Unit | None:
    """A file with the columns that params.yaml or its name promises; None if they are of no wanted pair.

    Raises:
        UserError: if it can't be told which column is which language.
    """
    columns, names = dict(request.columns), found.languages
    if not columns and {"a", "b"} <= names.keys():
        columns = {names["a"]: 0, names["b"]: 1}
    elif not columns and request.groups and len(request.groups[0]) == 1:
        columns = {request.groups[0][0]: 0}
    elif not columns:
        if len(request.languages) < 2:
            raise UserError(
                f"corpus {request.name}: which column is which language? give 'columns' (or 'languages', in their order)"
            )
        columns = {language: position for position, language in enumerate(request.languages)}
    groups = tuple(group for group in found.groups(request) if set(group) <= columns.keys())
    return Unit((found.source,), groups, tuple(columns.items())) if groups else None


def read_records(
    frames: Iterator[pl.DataFrame],
    unit: Unit,
    delimiter: str,
    score: str | int | None = None,
    min_score: float | None = None,
) -> Iterator[Chunk]:
    """The rows of each of a file's language pairs, from its records.

    Args:
        frames: the file's records, frames of `RECORDS`.
        unit: the file, with the column of each language.
        delimiter: what is between its columns.
        score: the column of each pair's score; None: there is none.
        min_score: the least score of a pair that isn't rejected; None: any.

    Raises:
        InputError: if columns are named, and the first record doesn't name them.
    """
    name = unit.sources[0].name
    columns = dict(unit.columns) if score is None else {**dict(unit.columns), SCORE: score}
    if any(isinstance(column, str) for column in columns.values()):
        first = next(frames, None)
        if first is None:
            raise InputError(name, "is empty, expected a header with the columns' names", 1)
        positions = _header_positions(name, first["fields"][0].to_list(), columns)
        frames = chain([first.slice(1)], frames)
    else:
        positions = {language: int(column) for language, column in columns.items()}
    needed = 1 + max(positions[key] for key in {SCORE}.union(*unit.groups) & positions.keys())
    for frame in frames:
        for group in unit.groups:
            yield Chunk(group, _rows(frame, group, positions, needed, delimiter, min_score, name))


def _header_positions(name: str, header: list[str], columns: dict[str, str | int]) -> dict[str, int]:
    """The position of each language's column, by the header.

    Raises:
        InputError: if a column isn't there; the message says which are.
    """
    for column in columns.values():
        if isinstance(column, str) and column not in header:
            shown = ", ".join(field[:40] for field in header[:10])
            likely = next(
                (delimiter_advice(other) for other in DELIMITERS if len(header) == 1 and other in header[0]), ""
            )
            raise InputError(name, f"has no column {column!r}; its columns are {shown}{likely}", 1)
    return {key: header.index(column) if isinstance(column, str) else column for key, column in columns.items()}


def _rows(
    frame: pl.DataFrame, group: tuple[str, ...], positions: dict[str, int], needed: int, delimiter: str,
    min_score: float | None, name: str,
) -> pl.DataFrame:  # fmt: skip
    """One language pair's rows of some records; of those that can't be used side a shows the whole text."""
    import polars as pl

    fields = {key: pl.col("fields").list.get(position, null_on_oob=True) for key, position in positions.items()}
    missing = pl.any_horizontal(fields[key].is_null() for key in (*group, SCORE) if key in fields)
    low, score = score_reasons(fields[SCORE], min_score) if SCORE in fields else (pl.lit(None, pl.String),) * 2
    unread = pl.col("reason").is_not_null()
    count = pl.col("fields").list.len()
    lacking = pl.format("{} columns, expected {}{}", count, needed, _likely(pl.col("text"), count, delimiter))
    unusable = unread | missing
    return complete(
        frame.with_columns(
            a=pl.when(unusable).then("text").otherwise(fields[group[0]]),
            b=pl.when(unusable).then(pl.lit("")).otherwise(fields[group[1]]) if len(group) > 1 else pl.lit(None),
            file=pl.lit(name),
            reason=pl.coalesce("reason", pl.when(missing).then(pl.lit("missing-column")), low),
            detail=pl.when(unread).then("detail").when(missing).then(lacking).otherwise(score),
        )
    )


def _likely(text: pl.Expr, count: pl.Expr, delimiter: str) -> pl.Expr:
    """What is to be said of a line of one column that holds what other files have between columns."""
    import polars as pl

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


def csv_frames(source: CorpusSource, encoding: str, delimiter: str) -> Iterator[pl.DataFrame]:
    """The records of a CSV file as frames of `RECORDS`; blank lines are none, and a bad line spoils its record.

    Raises:
        InputError: if a field is longer than 1 MiB, or a record longer than 16 (a quote that is never closed).
    """
    import polars as pl

    # A list of texts for each record would cost more than all the rest: a record travels as one text, its fields joined by
    # NUL, which no field holds whose record can be used.
    fields, text = pl.col("text").str.split("\0"), pl.col("text").str.replace_all("\0", delimiter, literal=True)
    sized = (((), record, 1, len(record[1])) for record in _csv_records(source, encoding, delimiter))
    for batch in batched(sized):
        for records in batch.values():
            frame = pl.DataFrame(records, schema=LINES, orient="row")
            yield frame.with_columns(text=text, fields=fields)


def _csv_records(
    source: CorpusSource, encoding: str, delimiter: str
) -> Iterator[tuple[int, str, str | None, str | None]]:
    """The records of a CSV file as rows of `LINES`, their fields joined by NUL."""
    line = chars = 0
    problem: tuple[str | None, str | None] = (None, None)

    def lines() -> Iterator[str]:
        nonlocal line, chars, problem
        for frame in read_lines(source, encoding):
            for line, text, reason, detail in frame.iter_rows():  # noqa: B007 - used outside
                chars += len(text) + 1
                if chars > MAX_RECORD_CHARS:
                    what = f"a record of over {MAX_RECORD_CHARS:,} characters; a quote never closed?"
                    raise InputError(source.name, what, start)
                if problem[0] is None:
                    problem = reason, detail
                yield text + "\n"

    csv.field_size_limit(MAX_LINE_BYTES)
    reader, start = csv.reader(lines(), delimiter=delimiter), 1
    try:
        for fields in reader:
            if fields:
                yield start, "\0".join(fields), *problem
            start, chars, problem = line + 1, 0, (None, None)
    except csv.Error as error:
        raise InputError(source.name, f"not valid CSV from here on ({error}); a quote never closed?", start) from None
