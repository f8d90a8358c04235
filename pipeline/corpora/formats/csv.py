"""CSV as RFC 4180 has it: a row a pair, with a column per language; quoted fields may hold line feeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from pipeline.console.errors import InputError
from pipeline.corpora.base import Chunk, Reader, ReadRequest, Unit, chunked_groups
from pipeline.corpora.tabular import (
    DELIMITERS,
    check_delimiter,
    column_units,
    csv_rows,
    delimiter_advice,
    header_positions,
)


class CsvReader(Reader):
    """A pair a row, a column a language, quoted as in RFC 4180.

    Attributes:
        delimiter: the one character between the columns; a comma if not given.
    """

    format: Literal["csv"] = "csv"
    by_language: ClassVar[bool] = False
    suffixes: ClassVar[tuple[str, ...]] = ("csv",)
    delimiter: str | None = None

    @model_validator(mode="after")
    def _delimiter(self) -> Self:
        check_delimiter(self.delimiter)
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter == '"'):
            raise ValueError(
                f"delimiter: found {self.delimiter!r}, expected one character that is no quote; tsv takes several"
            )
        return self

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        return column_units(request)

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from chunked_groups(self._rows(unit, request))

    def _rows(self, unit: Unit, request: ReadRequest) -> Iterator[tuple[tuple[str, ...], tuple[object, ...]]]:
        source = unit.sources[0]
        bad: dict[int, tuple[str, str | None]] = {}
        rows = csv_rows(source, request.encoding, bad, self.delimiter or ",")
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
                        detail += delimiter_advice(other)
                    yield group, (",".join(fields), "", source.name, line, "", "missing-column", detail)
                else:
                    side_b = sides[1] if len(group) > 1 else None
                    yield group, (sides[0], side_b, source.name, line, "", reason, detail)
