"""TSV: a row a pair, with a column per language; no quoting, a tab always separates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import ClassVar, Literal, Self

import polars as pl
from pydantic import model_validator

from pipeline.console.errors import InputError
from pipeline.corpora.base import SCORE, Chunk, ReadRequest, Scored, Unit, complete, score_reasons
from pipeline.corpora.lines import read_lines
from pipeline.corpora.tabular import check_delimiter, column_units, header_positions, likely_delimiter


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
        return column_units(request)

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        source = unit.sources[0]
        frames = read_lines(source, request.encoding)
        wanted = unit if self.score is None else replace(unit, columns=(*unit.columns, (SCORE, self.score)))
        if any(isinstance(column, str) for _, column in wanted.columns):
            first = next(frames, None)
            if first is None:
                raise InputError(source.name, "is empty, expected a header with the columns' names", 1)
            positions = header_positions(source.name, first["text"][0].split(self.delimiter or "\t"), wanted)
            frames = chain([first.slice(1)], frames)
        else:
            positions = {language: int(column) for language, column in wanted.columns}
        for frame in frames:
            yield from self._chunks(frame, unit, positions, source.name, request)

    def _chunks(
        self, frame: pl.DataFrame, unit: Unit, positions: dict[str, int], name: str, request: ReadRequest
    ) -> Iterator[Chunk]:
        delimiter = self.delimiter or "\t"
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
                low, score = score_reasons(field, self.min_score)
            count = pl.col("text").str.count_matches(delimiter, literal=True) + 1
            detail = pl.format(
                "{} columns, expected {}{}", count, needed, likely_delimiter(pl.col("text"), count, delimiter)
            )
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
