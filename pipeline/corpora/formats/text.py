"""One-sided text: a sentence a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pipeline.console.errors import UserError
from pipeline.corpora.base import Chunk, Reader, ReadRequest, Unit, complete
from pipeline.corpora.lines import read_lines
from pipeline.corpora.places import find_files


class TextReader(Reader):
    """One-sided text: a sentence a line."""

    format: Literal["text"] = "text"
    parallel: ClassVar[bool] = False
    by_language: ClassVar[bool] = False

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        if any(len(group) != 1 for group in request.groups):
            raise UserError(f"corpus {request.name}: the format text is one-sided; use moses for two aligned files")
        return [Unit((found.source,), request.groups) for found in find_files(request)]

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        import polars as pl

        source = unit.sources[0]
        for frame in read_lines(source, request.encoding):
            named = frame.rename({"text": "a"}).with_columns(file=pl.lit(source.name))
            yield Chunk(unit.groups[0], complete(named))
