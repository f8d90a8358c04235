"""A user's text of one language, in any form that the corpus readers know or as BUCC's ``id TAB sentence``.

All rows are kept, in order, in an Arrow file that is memory-mapped: a row's text and where it stands. In memory are 16
bytes a row (its key) and a flag.
"""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts.keys import text_keys
from pipeline.console.errors import InputError, UserError
from pipeline.corpora.base import NOT_BAD, Request, coalesced, file_source
from pipeline.corpora.registry import READERS
from pipeline.corpora.streams import read_utf8
from pipeline.ground.hashing import Keys, as_keys
from pipeline.ground.languages import canonical_language
from pipeline.mining.judging.bucc import Sentences, read_sentences

log = logging.getLogger(__name__)

COMPRESSED = frozenset({"gz", "xz", "bz2", "zst"})
SUFFIXES = {
    "tsv": "tsv",
    "csv": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "parquet": "parquet",
    "arrow": "arrow",
    "tmx": "tmx",
    "xlf": "xliff",
    "xliff": "xliff",
}
"""Formats that a file's name tells; all others are text."""

FORMATS = ("auto", "text", "bucc", "tsv", "csv", "jsonl", "parquet", "arrow", "tmx", "xliff")
LANGUAGE_INSIDE = frozenset({"tmx", "xliff"})
"""Formats in which a side is found by its language, and rows are not lines."""

UNKNOWN = "und"
"""BCP 47 for a language that nobody told."""

MAX_BAD_SHARE = 0.2
BUCC_ID = re.compile(rb"[a-z]{2,3}-[0-9]{6,}\t")
CHUNK = 50_000


@dataclass(frozen=True)
class TextInput:
    """Which text.

    Attributes:
        option: what the user said it with (``--src``), for messages.
        path: a file, folder or glob.
        language: canonical; `UNKNOWN` if nobody told.
        format: one of `FORMATS`; ``auto`` goes by the name, and by the first line for BUCC's.
        column: for formats with columns, the column (name, or number from 0) that holds the text.
        encoding: of text files.
    """

    option: str
    path: str
    language: str = UNKNOWN
    format: str = "auto"
    column: str | int | None = None
    encoding: str = "utf-8"

    @property
    def kind(self) -> str:
        """The format, told by the name and the first bytes if it is ``auto``."""
        if self.format != "auto":
            return self.format
        found = next((SUFFIXES[part] for part in reversed(_name_parts(self.path)) if part in SUFFIXES), "text")
        return "bucc" if found == "text" and _starts_like_bucc(self.path) else found

    def check(self) -> None:
        """Refuse what plainly isn't there, before anything is loaded.

        Raises:
            InputError: if no file or folder has the name, and it is no pattern either.
        """
        if not Path(self.path).exists() and not glob.has_magic(self.path):
            raise InputError(self.path, "no such file")


@dataclass(frozen=True)
class OwnText:
    """A side as read. The lines of BUCC files are counted without empty ones.

    Attributes:
        source: what it was read from.
        table: columns text, file, line and, of BUCC files, id; memory-mapped [n].
        keys: of the texts [n]; zero bytes where a row is not usable.
        usable: whether a row has text [n].
        empty: rows without text.
        unreadable: rows that could not be read.
        ids: of BUCC files, the ids (its texts are left out), else None.
    """

    source: TextInput
    table: pa.Table
    keys: Keys
    usable: NDArray[np.bool_]
    empty: int
    unreadable: int
    ids: Sentences | None

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def language(self) -> str:
        """Of the text."""
        return self.source.language


def language_of(path: str) -> str | None:
    """The language that a file's name says: its last part that is a code (``news.en.txt.gz``, ``eng_Latn.devtest``).

    Only languages with a two-letter code are guessed: of three letters, nearly every word is some language's code.

    >>> language_of("corpus/news.fr.gz"), language_of("eng_Latn.devtest"), language_of("a.txt")
    ('fr', 'en', None)
    """
    for part in reversed(_name_parts(path)):
        if re.fullmatch(r"[a-z]{2,3}([-_][A-Z][a-z]{3})?([-_][A-Z]{2})?", part):
            try:
                code = canonical_language(part)
            except ValueError:
                continue
            if len(code.partition("-")[0]) == 2:
                return code
    return None


def _name_parts(path: str) -> list[str]:
    return [part for part in Path(path).name.split(".") if part not in COMPRESSED]


def _starts_like_bucc(path: str) -> bool:
    if not Path(path).is_file():
        return False
    return BUCC_ID.match(next(read_utf8(file_source(Path(path), path)), b"")) is not None


def read_text(source: TextInput, spill: Path) -> OwnText:
    """Read a side; rows that can't be read, and empty ones, keep their place but are not usable.

    Holds one chunk of rows, and what `OwnText` says (of BUCC files, all of it while it is read).

    Args:
        source: what to read.
        spill: an Arrow file that is written for it.

    Raises:
        UserError: for a missing or damaged file, text without a usable row, or when more than a fifth can't be read.
    """
    source.check()
    kind = source.kind
    if kind in LANGUAGE_INSIDE and source.language == UNKNOWN:
        raise UserError(f"{source.option}: {source.path} is {kind}, which holds languages; give --languages")
    counted = _Counted(source.option)
    schema = pa.schema({"text": pa.string(), "file": pa.string(), "line": pa.int64()})
    frames = _frames(source, kind)
    ids: Sentences | None = None
    if kind == "bucc":
        found = _read_bucc(source, spill.with_suffix(".tsv"))
        ids, frames = Sentences(found.path, found.ids, []), _bucc_frames(found)
        schema = schema.append(pa.field("id", pa.string()))
    with pa.OSFile(str(spill), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for frame in frames:
            counted.add(frame)
            writer.write_table(_table(frame, schema))
    text = OwnText(source, _mapped(spill), *counted.result(), ids)
    if not text.usable.any():
        raise InputError(source.path, "no sentences; expected at least one")
    return text


class _Counted:
    """Keys, flags and counts of rows, chunk by chunk."""

    def __init__(self, option: str) -> None:
        self.option, self.rows, self.empty, self.unreadable, self.first_bad = option, 0, 0, 0, ""
        self.keys: list[Keys] = [as_keys([])]
        self.usable: list[NDArray[np.bool_]] = [np.empty(0, np.bool_)]

    def add(self, frame: pl.DataFrame) -> None:
        bad = frame.filter(pl.col("reason").is_not_null() & ~pl.col("reason").is_in(NOT_BAD))
        if bad.height and not self.first_bad:
            row = bad.row(0, named=True)
            self.first_bad = f"{row['file']}:{row['line']}: {row['reason']} {row['detail'] or ''}".rstrip()
        readable = frame["reason"].is_null()
        usable = readable & (frame["a"].fill_null("").str.strip_chars() != "")
        self.rows += frame.height
        self.unreadable += bad.height
        self.empty += int((~usable).sum()) - bad.height
        keys = np.zeros(frame.height, dtype="S16")
        keys[usable.to_numpy()] = as_keys(text_keys(frame["a"].filter(usable)).to_list())
        self.keys.append(keys)
        self.usable.append(usable.to_numpy())

    def result(self) -> tuple[Keys, NDArray[np.bool_], int, int]:
        if self.unreadable > MAX_BAD_SHARE * self.rows:
            raise UserError(
                f"{self.option}: {self.unreadable:,} of {self.rows:,} rows can't be read; the first: {self.first_bad}"
            )
        return np.concatenate(self.keys), np.concatenate(self.usable), self.empty, self.unreadable


def _frames(source: TextInput, kind: str) -> Iterator[pl.DataFrame]:
    """Frames of `pipeline.corpora.base.SCHEMA`, whose column ``a`` is the text."""
    path, plain = source.path, Path(source.path).exists()
    if plain and glob.has_magic(path):
        path = glob.escape(path)
    root = Path(path).parent if Path(path).is_absolute() and plain else Path()
    request = Request(
        name=source.option,
        root=root,
        groups=((source.language,),),
        path=path,
        languages=(source.language,),
        columns=() if source.column is None else ((source.language, source.column),),
        encoding=source.encoding,
    )
    reader = READERS[kind]
    for unit in reader.units(request):
        for chunk in coalesced(reader.read(unit, request)):
            yield chunk.frame
    for line in request.notes.lines():
        log.warning("%s: %s", source.option, line)


def _read_bucc(source: TextInput, plain: Path) -> Sentences:
    """BUCC's sentences, perhaps compressed; errors name the file that the user named, not the one unpacked here."""
    path = Path(source.path)
    with plain.open("wb") as opened:
        opened.writelines(read_utf8(file_source(path, source.path), source.encoding))
    try:
        found = read_sentences(plain)
    except InputError as error:
        raise InputError(path, error.problem, error.line) from None
    finally:
        plain.unlink()
    return Sentences(path, found.ids, found.texts)


def _bucc_frames(found: Sentences) -> Iterator[pl.DataFrame]:
    for start in range(0, len(found), CHUNK):
        texts = found.texts[start : start + CHUNK]
        yield pl.DataFrame(
            {"a": texts, "id": found.ids[start : start + CHUNK]}, schema={"a": pl.String, "id": pl.String}
        ).with_columns(
            file=pl.lit(found.path.name),
            line=pl.int_range(start + 1, start + 1 + len(texts), dtype=pl.Int64),
            reason=pl.lit(None, pl.String),
            detail=pl.lit(None, pl.String),
        )


def _table(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    table: Any = frame.select(pl.col("a").fill_null("").alias("text"), *schema.names[1:]).to_arrow()
    return table.cast(schema)


def _mapped(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
