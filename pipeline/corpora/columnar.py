"""Parquet and Arrow files: columns of text, read in batches.

Without ``columns``, these are understood: a struct ``translation`` with the languages' codes as fields, columns named by the
languages' codes, and, where the path says which pair it is, ``sentence1`` and ``sentence2`` (or ``source`` and ``target``)
in the order of the path. The line of a row is its number, from 1.

Files are not trusted: every batch is validated before it is used (offsets that point outside of their buffers crash Arrow),
and as one text of a dictionary may stand in every row, few rows are unpacked at a time and large dictionaries row by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.console.errors import InputError
from pipeline.corpora.base import SCORE, Chunk, CorpusSource, ReadRequest, Scored, Unit, complete, score_reasons
from pipeline.corpora.lines import MAX_LINE_BYTES, SHOWN_BYTES
from pipeline.corpora.places import Found, file_units
from pipeline.corpora.streams import BOMB_BYTES, BOMB_RATIO
from pipeline.ground.languages import WantedLanguages, choose_codes, other_languages

if TYPE_CHECKING:
    import polars as pl

BATCH_ROWS = 512
"""Rows unpacked at once: with texts of at most `MAX_LINE_BYTES` in a dictionary, 512 MiB a column."""

DICTIONARY_BYTES = 2 << 20
"""Parquet writers end a dictionary page at 1 MiB as a rule; columns with a larger one are read as dictionaries, which is
ten times slower and holds each text once."""

DAMAGE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError)
"""What Arrow raises for files that are not whole, or that ask for more memory than there is."""

PAIRED_NAMES = (("sentence1", "sentence2"), ("source", "target"), ("src", "tgt"))


class ColumnarReader(Scored):
    """Parquet and Arrow files alike."""

    by_language: ClassVar[bool] = False

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""

        def make(found: Found, request: ReadRequest) -> Unit | None:
            order = (found.languages["a"], found.languages["b"]) if {"a", "b"} <= found.languages.keys() else ()
            return columnar_unit(found.source, self.format, request, order)

        return file_units(request, make)

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from read_columns(unit, self.format, self.score, self.min_score)


def columnar_unit(source: CorpusSource, kind: str, request: ReadRequest, order: tuple[str, ...]) -> Unit | None:
    """A file with the column of each language, or None if it holds no wanted pair.

    Args:
        source: the file.
        kind: ``parquet`` or ``arrow``.
        request: what is asked of the reader.
        order: the languages that the path names, in its order.

    Raises:
        InputError: if it is not such a file, or lacks a column that it should have.
    """
    schema = _schema(source, kind)
    columns: dict[str, str | int] = dict(request.columns)
    for language, column in columns.items():
        _field(schema, str(column) if isinstance(column, str) else column, source.name, language)
    if not columns:
        columns = _guess(schema, request.wanted, order)
    groups = tuple(
        group for group in request.groups if set(group) <= columns.keys() and (not order or set(order) == set(group))
    )
    if not groups and (not order or any(set(group) == set(order) for group in request.groups)):
        shown = ", ".join(schema.names[:10])
        others = other_languages(request.wanted)
        raise InputError(
            source.name,
            f"which column is which language? give 'columns'; its columns are {shown}{f'; {others}' if others else ''}",
        )
    return Unit((source,), groups, tuple(columns.items())) if groups else None


def _schema(source: CorpusSource, kind: str) -> pa.Schema:
    try:
        if kind == "parquet":
            with source.open() as opened:
                schema = pq.ParquetFile(opened).schema_arrow
        else:
            with _arrow_reader(source) as reader:
                schema = reader.schema
        for field in schema:  # names are decoded when they are asked for, and then may turn out not to be UTF-8
            _ = field.name, [inner.name for inner in field.type] if pa.types.is_struct(field.type) else []
        return schema
    except DAMAGE as error:
        raise InputError(source.name, f"is not a readable {kind} file ({_first_line(error)})") from None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:150]


def _arrow_reader(source: CorpusSource) -> pa.ipc.RecordBatchFileReader | pa.ipc.RecordBatchStreamReader:
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


def _guess(schema: pa.Schema, wanted: WantedLanguages, order: tuple[str, ...]) -> dict[str, str | int]:
    """The column of each language, by the columns' names; empty if they say nothing."""
    if "translation" in schema.names and pa.types.is_struct(schema.field("translation").type):
        names = [field.name for field in schema.field("translation").type]
        return {language: f"translation.{name}" for name, language in choose_codes(names, wanted).items()}
    named = choose_codes(schema.names, wanted)
    if len(named) > 1 or (named and len(wanted) == 1):
        return {language: name for name, language in named.items()}
    for pair in PAIRED_NAMES:
        if order and set(pair) <= set(schema.names):
            return dict(zip(order, pair, strict=True))
    if len(wanted) == 1:
        texts = [name for name in schema.names if name in {"text", "sentence"}] or schema.names[:1]
        return {wanted[0]: texts[0]}
    return {}


def read_columns(
    unit: Unit, kind: str, score: str | int | None = None, min_score: float | None = None
) -> Iterator[Chunk]:
    """Read a unit's columns in batches; pairs whose ``score`` (its column; None: there is none) is lower are rejected.

    Raises:
        InputError: if the file is damaged.
    """
    source, line = unit.sources[0], 1
    try:
        if score is not None:
            _score_field(_schema(source, kind), score, source.name)
            unit = replace(unit, columns=(*unit.columns, (SCORE, score)))
        for batch in _batches(source, kind, unit):
            for group in unit.groups:
                yield Chunk(group, _rows(batch, group, source.name, line, min_score))
            line += batch.num_rows
    except DAMAGE as error:
        raise InputError(source.name, f"damaged after row {line - 1:,} ({_first_line(error)})") from None


def _batches(source: CorpusSource, kind: str, unit: Unit) -> Iterator[pa.RecordBatch]:
    schema = _schema(source, kind)
    paths = {language: _path(schema, column) for language, column in unit.columns}
    tops = list(dict.fromkeys(path[0] for path in paths.values()))
    with source.open() as opened:
        if kind == "parquet":
            large = _large_dictionaries(opened, source.name, tops)
            batches = pq.ParquetFile(opened, read_dictionary=large).iter_batches(batch_size=BATCH_ROWS, columns=tops)
        else:
            batches = _arrow_batches(source)
        for batch in batches:
            batch.validate(full=True)
            arrays = []
            for path in paths.values():
                array = batch.column(path[0])
                for part in path[1:]:
                    if not pa.types.is_struct(array.type):
                        raise InputError(
                            source.name, f"column {'.'.join(path)!r}: holds {array.type}, expected a struct"
                        )
                    array = array.field(part) if array.null_count == 0 else pc.struct_field(array, part)
                arrays.append(array)
            texts = [
                array if name == SCORE else _decoded(_as_string(array, source.name, ".".join(path)))
                for (name, path), array in zip(paths.items(), arrays, strict=True)
            ]
            whole = pa.RecordBatch.from_arrays(texts, names=list(paths))
            whole.validate(full=True)
            yield whole


def _large_dictionaries(opened: BinaryIO, name: str, tops: list[str]) -> list[str]:
    """The text columns of a Parquet file that have a dictionary page larger than `DICTIONARY_BYTES`, by their paths.

    Raises:
        InputError: if a column is a bomb, by what the file says of it.
    """
    large = []
    file = pq.ParquetFile(opened, pre_buffer=False)
    names = [file.schema.column(number).path for number in range(len(file.schema))]
    numbers = [number for number, name in enumerate(names) if any(f"{name}.".startswith(f"{top}.") for top in tops)]
    for group in range(file.num_row_groups):
        if file.metadata.row_group(group).num_rows == 0:
            continue
        # One row is read first: where a column's metadata is damaged, reading raises, and asking for it ends the process.
        next(file.iter_batches(batch_size=1, row_groups=[group], columns=tops), None)
        for number in numbers:
            chunk = file.metadata.row_group(group).column(number)
            packed, whole = chunk.total_compressed_size, chunk.total_uncompressed_size
            if whole > BOMB_BYTES and whole > BOMB_RATIO * max(packed, 1):
                raise InputError(name, f"{packed:,} bytes become {whole:,}: not text, perhaps a bomb")
            if (
                chunk.has_dictionary_page
                and chunk.physical_type == "BYTE_ARRAY"
                and _page_bytes(opened, chunk.dictionary_page_offset) > DICTIONARY_BYTES
            ):
                large.append(chunk.path_in_schema)
    return list(dict.fromkeys(large))


def _page_bytes(opened: BinaryIO, offset: int) -> int:
    """The unpacked size of a Parquet page, from its header (Thrift's compact form: type, then size, each a field of i32)."""
    opened.seek(max(offset, 0))
    head, place, value = opened.read(16), 0, 0
    for _ in ("type", "size"):
        if head[place : place + 1] != b"\x15":
            return DICTIONARY_BYTES + 1  # not as any writer writes it: the careful way
        value, shift, more, place = 0, 0, True, place + 1
        while more and place < len(head):
            value |= (head[place] & 0x7F) << shift
            more, shift, place = bool(head[place] & 0x80), shift + 7, place + 1
    return value >> 1 if value & 1 == 0 else DICTIONARY_BYTES + 1


def _arrow_batches(source: CorpusSource) -> Iterator[pa.RecordBatch]:
    with _arrow_reader(source) as reader:
        if isinstance(reader, pa.ipc.RecordBatchFileReader):
            batches: Iterator[pa.RecordBatch] = (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            batches = iter(reader)
        for batch in batches:
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)


def _score_field(schema: pa.Schema, score: str | int, name: str) -> None:
    _field(schema, score, name, "the score")
    kind = schema.field(score).type if isinstance(score, int) or score in schema.names else None
    if kind is None or not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        raise InputError(name, f"column {score!r} holds {kind or 'a struct'}, expected numbers (its 'score')")


def _path(schema: pa.Schema, column: str | int) -> list[str]:
    if isinstance(column, int):
        return [schema.names[column]]
    return [column] if column in schema.names else column.split(".")


def _as_string(array: pa.Array, name: str, column: str) -> pa.Array:
    """Text, or a dictionary of text; no text of a dictionary is much longer than `MAX_LINE_BYTES`."""
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if pa.types.is_null(kind):  # nothing in any row
        return pa.nulls(len(array), pa.large_string())
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise InputError(name, f"column {column!r} holds {array.type}, expected text")
    if not pa.types.is_dictionary(array.type):
        return array.cast(pa.large_string())
    words = array.dictionary.cast(pa.large_string())
    longest = pc.max(pc.binary_length(words)).as_py() or 0
    if longest > MAX_LINE_BYTES:  # still too long afterwards, and known to be so
        words = pc.if_else(
            pc.greater(pc.binary_length(words), MAX_LINE_BYTES),
            pc.utf8_slice_codeunits(words, 0, MAX_LINE_BYTES + 1),
            words,
        )
    return pa.DictionaryArray.from_arrays(array.indices, words)


def _decoded(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _rows(batch: pa.RecordBatch, group: tuple[str, ...], name: str, line: int, min_score: float | None) -> pl.DataFrame:
    """A batch's rows of one language pair (or language), the first of which is row ``line`` of the file."""
    import polars as pl

    frame = pl.DataFrame(batch)
    lacks = pl.coalesce(pl.when(pl.col(language).is_null()).then(pl.lit(language)) for language in group)
    missing = lacks.is_not_null()
    long = ~missing & pl.any_horizontal(pl.col(language).str.len_bytes() > MAX_LINE_BYTES for language in group)
    low, score = score_reasons(pl.col(SCORE), min_score) if SCORE in frame.columns else (pl.lit(None, pl.String),) * 2
    # Of texts that are too long, the beginning is shown.
    sides = [pl.when(long).then(pl.col(side).str.head(SHOWN_BYTES)).otherwise(pl.col(side)) for side in group]
    return complete(
        frame.select(
            **dict(zip("ab", sides, strict=False)),
            file=pl.lit(name),
            line=pl.int_range(line, line + frame.height),
            reason=pl.when(missing)
            .then(pl.lit("missing-side"))
            .when(long)
            .then(pl.lit("line-too-long"))
            .otherwise(low),
            detail=pl.when(missing)
            .then(pl.format("no text for {}", lacks))
            .when(long)
            .then(pl.lit(f"over {MAX_LINE_BYTES:,} bytes"))
            .otherwise(score),
        )
    )
