"""What all readers share: what is asked of them, what they find, what they yield."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Self, TypeVar, get_args

from pydantic import model_validator

from pipeline.config.prepare import CorpusFormat
from pipeline.console.errors import InputError, UserError
from pipeline.ground.languages import WantedLanguages, other_languages

if TYPE_CHECKING:
    import polars as pl

Mark = Literal[
    "untranslated", "fuzzy", "rejected", "obsolete", "previous", "not-to-translate", "unapproved", "machine"
]  # fmt: skip
MARKS: tuple[Mark, ...] = get_args(Mark)
"""What the marks of TMX, XLIFF and PO say of a translation: docs/corpora.md has a table of them."""

LEFT_OUT: tuple[Mark, ...] = ("untranslated", "fuzzy", "rejected", "obsolete", "previous", "not-to-translate")
"""Marks that say that a text is no translation of its source, or not yet."""

Held = TypeVar("Held")

SCHEMA = {
    "a": str,
    "b": str,
    "file": str,
    "line": int,
    "doc": str,
    "reason": str,
    "detail": str,
    "file_b": str,
    "line_b": int,
}
"""A row as read: both sides (``b`` is null in one-sided text), where it stands, its document (empty: none), and, if it could
not be read, the reason and what exactly was found; then the sides hold what could be shown of them. Last, where side b stands
if that is another place; null: where the row stands."""

NOT_BAD = (*MARKS, "missing-side", "plural-form", "low-score")
"""Reasons that readers give for units that are well-formed and have no pair to offer; all their other ones are damage."""

SCORE = " score"
"""What stands for the score's column among those of the languages; no language is called so."""

CHUNK_ROWS = 65_536
"""Rows of a chunk, about: what a reader holds at a time."""

CHUNK_BYTES = 64 << 20
"""Text of a chunk, about, where lines are so long that rows don't bound it."""

Row = tuple[tuple[str, ...], tuple[Any, ...]]
"""A language pair (or language), and a row in the order of `SCHEMA`, with the place of side b or without."""


@dataclass(frozen=True)
class Chunk:
    """Rows of one language pair (or of one language), in the order of the file.

    Attributes:
        languages: the language of column ``a`` and, unless the text is one-sided, that of column ``b``.
        frame: rows of `SCHEMA`.
    """

    languages: tuple[str, ...]
    frame: pl.DataFrame


@dataclass(frozen=True)
class CorpusSource:
    """A file, or a member of an archive, that can be opened as often as needed.

    Attributes:
        name: what provenance and messages call it: relative to the project, the same on every machine.
        path: the file on disk.
        open: opens its bytes as they are stored (perhaps compressed).
        size: the bytes that are stored.
    """

    name: str
    path: Path
    open: Callable[[], BinaryIO]
    size: int


class Notes:
    """What a reader did that no row's reason tells: counted by kind, with the first place of each."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def add(self, what: str, where: str, count: int = 1) -> None:
        """Count something that was done ``count`` times: what, in words, and where first (the file, with the line)."""
        self._counts[what] = self._counts.get(what, 0) + count
        self._first.setdefault(what, where)

    def lines(self) -> list[str]:
        """A line for each kind."""
        return [f"{count:,} {what} (the first: {self._first[what]})" for what, count in self._counts.items()]


@dataclass(frozen=True)
class ReadRequest:
    """What is asked of a reader; ``path`` is as in `pipeline.config.prepare.Corpus`.

    Attributes:
        name: the corpus' name in params.yaml.
        root: the folder that paths are relative to.
        groups: the language pairs wanted, each in the project's order; for one-sided text, its one language.
        languages: the languages that the user listed for this corpus, in his order; empty: all.
        columns: the column of each language.
        encoding: the encoding of text files.
        rename: from the corpus' own language codes to the project's.
        leave_out: the marks for which units are left out.
        notes: what the reader did that no row's reason tells; filled while it reads.
    """

    name: str
    root: Path
    groups: tuple[tuple[str, ...], ...]
    path: str | None = None
    languages: tuple[str, ...] = ()
    columns: tuple[tuple[str, str | int], ...] = ()
    encoding: str = "utf-8"
    rename: tuple[tuple[str, str], ...] = ()
    leave_out: tuple[str, ...] = LEFT_OUT
    notes: Notes = field(default_factory=Notes, compare=False)

    @cached_property
    def wanted(self) -> WantedLanguages:
        """All languages of the groups, in order of first appearance; notes what other languages the corpus holds."""
        return WantedLanguages(dict.fromkeys(language for group in self.groups for language in group), self.rename)


@dataclass(frozen=True)
class Unit:
    """Files that are read together.

    Attributes:
        sources: the files.
        groups: the language pairs (or the language) that come of them.
        columns: where each of the unit's languages stands in the files: a position in ``sources`` or a column.
        kind: which kind of file this is, where a format has several.
    """

    sources: tuple[CorpusSource, ...]
    groups: tuple[tuple[str, ...], ...]
    columns: tuple[tuple[str, str | int], ...] = ()
    kind: str = ""


class Reader(CorpusFormat):
    """A format: what a new one derives from. Its fields are its own keys in params.yaml."""

    def asked(self, request: ReadRequest) -> ReadRequest:
        """A request with what its options change of it; before anything is found."""
        return request

    def units(self, request: ReadRequest) -> list[Unit]:
        """Find what is to be read, without reading it.

        Raises:
            UserError: if there is nothing, or something that can't be what was meant.
        """
        raise NotImplementedError

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """Read a unit; holds one chunk at a time.

        Raises:
            InputError: if a file is damaged in a way that leaves the rest unreadable.
        """
        raise NotImplementedError


def file_source(path: Path, name: str) -> CorpusSource:
    """A regular file as a source.

    Raises:
        InputError: if it is missing, unreadable, a folder, a socket or anything else than a file.
    """
    if not path.exists():
        raise InputError(name, "no such file")
    if not path.is_file():
        found = "a folder" if path.is_dir() else "neither a file nor a folder (a socket, pipe or device?)"
        raise InputError(name, f"is {found}, expected a file")
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(name, f"can't be read ({error.strerror})") from None
    return CorpusSource(name, path, lambda: path.open("rb"), path.stat().st_size)


def make_frame(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    """Rows (in the order of `SCHEMA`; all with the place of side b or all without) as a frame."""
    import polars as pl

    names = list(SCHEMA)[: len(rows[0])]
    return complete(pl.DataFrame(rows, schema={name: SCHEMA[name] for name in names}, orient="row"))


def complete(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of `SCHEMA` in its order and types; those that lack are null, but for ``doc``, which is empty."""
    import polars as pl

    lacking = [pl.lit("" if name == "doc" else None).alias(name) for name in SCHEMA if name not in frame.columns]
    return frame.with_columns(lacking).select(list(SCHEMA)).cast(pl.Schema(SCHEMA))


def batched(
    items: Iterable[tuple[tuple[str, ...], Held, int, float]],
) -> Iterator[dict[tuple[str, ...], list[Held]]]:
    """Items of several groups, mixed, in batches that memory holds, by group.

    Args:
        items: the group, the item, how many rows it has and how many bytes (or characters), each. A batch ends with the
            item that brings it to `CHUNK_ROWS` rows or `CHUNK_BYTES` bytes.
    """
    held: dict[tuple[str, ...], list[Held]] = {}
    rows, size = 0, 0.0
    for group, item, item_rows, item_size in items:
        held.setdefault(group, []).append(item)
        rows, size = rows + item_rows, size + item_size
        if rows >= CHUNK_ROWS or size >= CHUNK_BYTES:
            yield held
            held, rows, size = {}, 0, 0.0
    yield held


def chunked_groups(rows: Iterable[Row]) -> Iterator[Chunk]:
    """Rows of several groups, mixed, as chunks of one group each; holds one batch."""
    for batch in batched((group, row, 1, len(row[0] or "") + len(row[1] or "")) for group, row in rows):
        yield from (Chunk(languages, make_frame(some)) for languages, some in batch.items())


def coalesced(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The same rows in fewer chunks, of each group in order; holds one batch and a chunk."""
    import polars as pl

    sized = ((chunk.languages, chunk.frame, chunk.frame.height, chunk.frame.estimated_size()) for chunk in chunks)
    for batch in batched(sized):
        yield from (Chunk(languages, pl.concat(frames)) for languages, frames in batch.items())


class Scored(Reader):
    """A format that may have a column of scores.

    Attributes:
        score: the column (name, or number from 0) of each pair's score, as ``softalign align``, ``mine`` and ``score``
            write it.
        min_score: pairs whose score is lower, or NaN, are rejected (``low-score``).
    """

    score: str | int | None = None
    min_score: float | None = None

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.score is None) != (self.min_score is None):
            raise ValueError("'score' names a column and 'min_score' the least score in it; give both or neither")
        return self


def score_reasons(score: pl.Expr, min_score: float | None) -> tuple[pl.Expr, pl.Expr]:
    """The reason and detail of rows whose score is no number, or too low; null for the others.

    Args:
        score: the column, of numbers or of text.
        min_score: the least score; NaN is lower. None: any.
    """
    import polars as pl

    number = score.cast(pl.Float64, strict=False)
    low = number.is_nan() | (number < (float("-inf") if min_score is None else min_score))
    reason = pl.when(number.is_null()).then(pl.lit("no-score")).when(low).then(pl.lit("low-score"))
    shown = pl.coalesce(score.cast(pl.String).str.head(40), pl.lit("none"))
    return reason, pl.when(reason.is_not_null()).then(pl.format("score {}", shown))


def require_languages(request: ReadRequest, units: list[Unit], where: str) -> list[Unit]:
    """The units themselves, if there are any and each language that the user listed stands in one.

    Raises:
        UserError: otherwise.
    """
    others = other_languages(request.wanted)
    found = {language for unit in units for group in unit.groups for language in group}
    missing = sorted(set(request.languages) & set(request.wanted) - found)
    if units and not missing:
        return units
    what = f"the language {missing[0]}, which it lists" if units else ", ".join(map("-".join, request.groups))
    more = f"; {others}" if others else ""
    raise UserError(f"corpus {request.name}: {where}: nothing found for {what}{more}")
