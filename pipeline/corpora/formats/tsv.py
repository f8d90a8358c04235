"""TSV: a row a pair, with a column per language; no quoting, a tab always separates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from pipeline.corpora.base import Chunk, ReadRequest, Scored, Unit
from pipeline.corpora.lines import read_lines
from pipeline.corpora.places import file_units
from pipeline.corpora.tabular import check_delimiter, column_unit, read_records


class TsvReader(Scored):
    """A pair a line, a column a language, tabs between; quotes are text.

    Attributes:
        delimiter: what is between the columns (``" ||| "``); a tab if not given.
    """

    format: Literal["tsv"] = "tsv"
    by_language: ClassVar[bool] = False
    suffixes: ClassVar[tuple[str, ...]] = ("tsv",)
    delimiter: str | None = None

    @model_validator(mode="after")
    def _delimiter(self) -> Self:
        check_delimiter(self.delimiter)
        return self

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        return file_units(request, column_unit)

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        import polars as pl

        delimiter = self.delimiter or "\t"
        frames = read_lines(unit.sources[0], request.encoding)
        records = (frame.with_columns(fields=pl.col("text").str.split(delimiter)) for frame in frames)
        yield from read_records(records, unit, delimiter, self.score, self.min_score)
