"""Moses format: a text file per language, the same number of lines, aligned by line number."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import model_validator

from pipeline.config.base import Language
from pipeline.console.errors import InputError, UserError
from pipeline.corpora.base import (
    Chunk,
    CorpusSource,
    Reader,
    ReadRequest,
    Unit,
    complete,
    file_source,
    require_languages,
)
from pipeline.corpora.drift import drift_line, log_lengths
from pipeline.corpora.lines import read_lines, zip_frames
from pipeline.corpora.named import check_files
from pipeline.corpora.places import display_name, family_units, find_files, one_a_language

if TYPE_CHECKING:
    import polars as pl


class MosesReader(Reader):
    """A text file for each language, aligned line by line: a path with ``{lang}``, or ``files``.

    Attributes:
        files: instead of a path, the file of each language, whatever their names.
    """

    format: Literal["moses"] = "moses"
    one_sided: ClassVar[bool] = False
    places: ClassVar[tuple[str, ...]] = ("path", "files")
    files: dict[Language, str] = {}

    @model_validator(mode="after")
    def _two_files(self) -> Self:
        if len(self.files) == 1:
            raise ValueError("'files' names the files of two or more languages")
        return self

    @property
    def named_files(self) -> dict[str, str]:
        """See `pipeline.config.prepare.CorpusFormat`."""
        return self.files

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        if self.files:
            check_files(self.files, request)
            sources = {
                language: file_source(request.root / name, display_name(request.root / name, request.root))
                for language, name in self.files.items()
            }
            return require_languages(request, family_units(sources, request), "files")
        if "{lang}" not in (request.path or ""):
            raise UserError(f"corpus {request.name}: path: {request.path!r} holds no {{lang}}, which moses needs")
        found = sorted(find_files(request), key=lambda match: match.family)
        units = []
        for _, family in groupby(found, key=lambda match: match.family):
            sources = one_a_language([(match.code, match.source) for match in family], request)
            units += family_units(sources, request)
        return require_languages(request, units, str(request.path))

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from read_aligned(unit.sources[0], unit.sources[1], unit.groups[0], request.encoding)


def read_aligned(first: CorpusSource, second: CorpusSource, group: tuple[str, ...], encoding: str) -> Iterator[Chunk]:
    """Two aligned files as chunks; each side's place is in its own file.

    Raises:
        InputError: if one has more lines than the other; the message says where they drift, if that can be told.
    """
    frames = zip_frames((read_lines(first, encoding), read_lines(second, encoding)))
    for left, right in frames:
        if left.height != right.height:
            lengths = log_lengths(read_lines(first, encoding)), log_lengths(read_lines(second, encoding))
            line = drift_line(*lengths)
            drift = "" if line is None else f"; they seem to drift from line {line:,} on"
            counts = f"has {len(lengths[0]):,} lines, but {second.name} has {len(lengths[1]):,}"
            raise InputError(first.name, f"{counts}; expected as many{drift}")
        yield Chunk(group, _join(left, right, first.name, second.name))


def _join(left: pl.DataFrame, right: pl.DataFrame, first: str, second: str) -> pl.DataFrame:
    """Lines of two files side by side; what can't be read in the second file alone stands there."""
    import polars as pl

    both = left.rename({"text": "a"}).with_columns(
        right.select(b="text", line_b="line", reason_b="reason", detail_b="detail"), file_b=pl.lit(second)
    )
    only_b = pl.col("reason").is_null() & pl.col("reason_b").is_not_null()
    return complete(
        both.with_columns(
            file=pl.when(only_b).then("file_b").otherwise(pl.lit(first)),
            reason=pl.coalesce("reason", "reason_b"),
            detail=pl.when(only_b).then("detail_b").otherwise("detail"),
        )
    )
