"""CSV as RFC 4180 has it: a row a pair, with a column per language; quoted fields may hold line feeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from pipeline.corpora.base import Chunk, Reader, ReadRequest, Unit
from pipeline.corpora.places import file_units
from pipeline.corpora.tabular import check_delimiter, column_unit, csv_frames, read_records


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
        return file_units(request, column_unit)

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        delimiter = self.delimiter or ","
        yield from read_records(csv_frames(unit.sources[0], request.encoding, delimiter), unit, delimiter)
