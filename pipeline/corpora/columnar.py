"""Parquet and Arrow files: columns of text, read in batches.

Without ``columns``, these are understood: a struct ``translation`` with the languages' codes as fields, columns named by the
languages' codes, and, where the path says which pair it is, ``sentence1`` and ``sentence2`` (or ``source`` and ``target``)
in the order of the path. The line of a row is its number, from 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.corpora.base import Chunk, Request, Source, Unit, complete, require_languages
from pipeline.corpora.places import find_files
from pipeline.errors import InputError
from pipeline.languages import match_language

BATCH_ROWS = 8_192
PAIRED_NAMES = (("sentence1", "sentence2"), ("source", "target"), ("src", "tgt"))


class ColumnarReader:
    """Formats ``parquet`` and ``arrow``.

    Args:
        kind: which of the two.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def units(self, request: Request) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        units = []
        for found in find_files(request):
            order = (found.languages["a"], found.languages["b"]) if {"a", "b"} <= found.languages.keys() else ()
            unit = columnar_unit(found.source, self.kind, request, order)
            if unit is not None:
                units.append(unit)
        return require_languages(request, units, str(request.path))

    def read(self, unit: Unit, request: Request) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from read_columns(unit, self.kind)


def columnar_unit(source: Source, kind: str, request: Request, order: tuple[str, ...]) -> Unit | None:
    """A file with the column of each language, or None if it holds no wanted pair.

    Args:
        source: the file.
        kind: ``parquet`` or ``arrow``.
        request: what is asked.
        order: the languages that the path names, in its order.

    Raises:
        InputError: if it is not such a file, or lacks a column that it should have.
    """
    schema = _schema(source, kind)
    columns: dict[str, str | int] = dict(request.columns)
    for language, column in columns.items():
        _field(schema, str(column) if isinstance(column, str) else column, source.name, language)
    if not columns:
        columns = dict(_guess(schema, request.wanted, order))
    groups = tuple(
        group for group in request.groups if set(group) <= columns.keys() and (not order or set(order) == set(group))
    )
    if not groups and (not order or any(set(group) == set(order) for group in request.groups)):
        shown = ", ".join(schema.names[:10])
        raise InputError(source.name, f"which column is which language? give 'columns'; its columns are {shown}")
    return Unit((source,), groups, tuple(columns.items())) if groups else None


def _schema(source: Source, kind: str) -> pa.Schema:
    try:
        if kind == "parquet":
            with source.open() as opened:
                return pq.ParquetFile(opened).schema_arrow
        with _arrow_reader(source) as reader:
            return reader.schema
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(source.name, f"is not a readable {kind} file ({str(error).splitlines()[0][:150]})") from None


def _arrow_reader(source: Source) -> pa.ipc.RecordBatchFileReader | pa.ipc.RecordBatchStreamReader:
    try:
        return pa.ipc.open_file(source.open())
    except pa.ArrowInvalid:
        return pa.ipc.open_stream(source.open())


def _field(schema: pa.Schema, column: str | int, name: str, language: str) -> None:
    if isinstance(column, int):
        if column >= len(schema.names):
            raise InputError(name, f"has {len(schema.names)} columns, but column {column} (from 0) is {language}'s")
    elif column not in schema.names and column.split(".")[0] not in schema.names:
        raise InputError(name, f"has no column {column!r}; its columns are {', '.join(schema.names[:10])}")


def _guess(schema: pa.Schema, wanted: tuple[str, ...], order: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if "translation" in schema.names and pa.types.is_struct(schema.field("translation").type):
        for field in schema.field("translation").type:
            if language := match_language(field.name, wanted):
                yield language, f"translation.{field.name}"
        return
    named = [(language, name) for name in schema.names if (language := match_language(name, wanted))]
    if len(named) > 1 or (named and len(wanted) == 1):
        yield from named
        return
    for pair in PAIRED_NAMES:
        if order and set(pair) <= set(schema.names):
            yield from zip(order, pair, strict=True)
            return
    if len(wanted) == 1:
        texts = [name for name in schema.names if name in {"text", "sentence"}] or schema.names[:1]
        yield wanted[0], texts[0]


def read_columns(unit: Unit, kind: str) -> Iterator[Chunk]:
    """Read a unit's columns in batches.

    Raises:
        InputError: if the file is damaged.
    """
    source, line = unit.sources[0], 1
    try:
        for batch in _batches(source, kind, unit):
            for group in unit.groups:
                yield Chunk(group, _rows(batch, group, source.name, line))
            line += batch.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(source.name, f"damaged after row {line - 1:,} ({str(error).splitlines()[0][:150]})") from None


def _batches(source: Source, kind: str, unit: Unit) -> Iterator[pa.RecordBatch]:
    schema = _schema(source, kind)
    paths = {language: _path(schema, column) for language, column in unit.columns}
    tops = list(dict.fromkeys(path[0] for path in paths.values()))
    with source.open() as opened:
        if kind == "parquet":
            batches = pq.ParquetFile(opened).iter_batches(batch_size=BATCH_ROWS, columns=tops)
        else:
            batches = _arrow_batches(source)
        for batch in batches:
            arrays = []
            for path in paths.values():
                array = batch.column(path[0])
                for part in path[1:]:
                    array = array.field(part) if array.null_count == 0 else pa.compute.struct_field(array, part)
                arrays.append(_as_string(array, source.name, ".".join(path)))
            yield pa.RecordBatch.from_arrays(arrays, names=list(paths))


def _arrow_batches(source: Source) -> Iterator[pa.RecordBatch]:
    with _arrow_reader(source) as reader:
        if isinstance(reader, pa.ipc.RecordBatchFileReader):
            batches: Iterator[pa.RecordBatch] = (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            batches = iter(reader)
        for batch in batches:
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)


def _path(schema: pa.Schema, column: str | int) -> list[str]:
    if isinstance(column, int):
        return [schema.names[column]]
    return [column] if column in schema.names else column.split(".")


def _as_string(array: pa.Array, name: str, column: str) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not (
        pa.types.is_string(array.type) or pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type)
    ):
        raise InputError(name, f"column {column!r} holds {array.type}, expected text")
    return array.cast(pa.large_string())


def _rows(batch: pa.RecordBatch, group: tuple[str, ...], name: str, line: int) -> pl.DataFrame:
    frame = pl.from_arrow(pa.Table.from_batches([batch]))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table gives a frame
    missing = pl.any_horizontal(pl.col(language).is_null() for language in group)
    side_b = pl.col(group[1]) if len(group) > 1 else pl.lit(None, pl.String)
    return complete(
        frame.select(
            a=pl.col(group[0]),
            b=side_b,
            file=pl.lit(name),
            line=pl.int_range(line, line + frame.height),
            doc=pl.lit(""),
            reason=pl.when(missing).then(pl.lit("missing-column")),
            detail=pl.when(missing).then(pl.lit("a null")),
        )
    )
