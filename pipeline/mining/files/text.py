"""A user's text of one language, in any form that the corpus readers know or as BUCC's ``id TAB sentence``.

All rows are kept, in order, in an Arrow file that is memory-mapped: a row's text and where it stands. In memory are 16
bytes a row (its key) and a flag.
"""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts.keys import text_keys
from pipeline.config.prepare import FORMATS, Clean
from pipeline.console.errors import InputError, UserError
from pipeline.corpora.base import NOT_BAD, ReadRequest, coalesced, file_source
from pipeline.corpora.registry import plain_reader
from pipeline.corpora.streams import read_utf8
from pipeline.ground.hashing import Keys, as_keys
from pipeline.ground.languages import canonical_language
from pipeline.ground.registry import RegistryError
from pipeline.mining.judging.bucc import Sentences, read_sentences
from pipeline.text.rules import UNKNOWN, broken_rules, rules

log = logging.getLogger(__name__)

COMPRESSED = frozenset({"gz", "xz", "bz2", "zst"})
RULES = ("", "missing-side", "too-short", "too-long", "letters", "script")
"""Rules about one sentence, by their number; 0 is none."""

MAX_BAD_SHARE = 0.2
SCHEMA = pa.schema({"text": pa.string(), "file": pa.string(), "line": pa.int64()})
BUCC_ID = re.compile(rb"[a-z]{2,3}-[0-9]{6,}\t")
CHUNK = 50_000


@dataclass(frozen=True)
class TextInput:
    """Which text.

    Attributes:
        option: the option that names it (``--src``), for messages.
        path: a file, folder or glob.
        language: canonical; `UNKNOWN` if nobody told.
        format: a corpus format, ``bucc``, or ``auto``, which goes by the name, and by the first line for BUCC's.
        column: the column that holds the text (name, or number from 0), of formats that have columns.
        encoding: the encoding of text files.
        pair: the languages of this side and the other, that of ``--src`` first: PO's messages are in the first.
    """

    option: str
    path: str
    language: str = UNKNOWN
    format: str = "auto"
    column: str | int | None = None
    encoding: str = "utf-8"
    pair: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The format, told by the name and the first bytes if it is ``auto``."""
        if self.format != "auto":
            return self.format
        told = {suffix: name for name, reader in FORMATS.all().items() for suffix in reader.suffixes}
        found = next((told[part] for part in reversed(_name_parts(self.path)) if part in told), "text")
        return "bucc" if found == "text" and _starts_like_bucc(self.path) else found

    @property
    def by_language(self) -> bool:
        """Whether a side is found by its language, and rows are not lines."""
        return self.kind != "bucc" and FORMATS.find(self.kind).by_language

    def check(self) -> None:
        """Refuse what plainly isn't there, before anything is loaded.

        Raises:
            UserError: if there is no such format, or it is none of single files.
            InputError: if no file or folder has the name, and it is no pattern either.
        """
        if (kind := self.kind) not in ("text", "bucc"):
            try:
                reader = FORMATS.find(kind)
            except RegistryError as error:
                raise UserError(f"--format: {error}") from None
            if not reader.suffixes:
                raise UserError(f"--format: {kind} is a format of corpora in params.yaml; expected one of single files")
        if not Path(self.path).exists() and not glob.has_magic(self.path):
            raise InputError(self.path, "no such file")


@dataclass(frozen=True)
class OwnText:
    """A side as read. The lines of BUCC files are counted without empty ones.

    Attributes:
        source: the text that the user named.
        table: the columns text, file, line and, of BUCC files, id; memory-mapped [n].
        keys: the texts' keys [n]; zero bytes where a row is not usable.
        usable: whether a row has text [n].
        empty: rows without text.
        unreadable: rows that could not be read.
        rule: the number in `RULES` of the rule that each row breaks [n], so that it is not usable; 0: none.
        ids: the ids of BUCC files (the texts are left out); None of other formats.
    """

    source: TextInput
    table: pa.Table
    keys: Keys
    usable: NDArray[np.bool_]
    empty: int
    unreadable: int
    rule: NDArray[np.uint8]
    ids: Sentences | None

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def broken(self) -> dict[str, int]:
        """Rows that break a rule, by rule."""
        counts = np.bincount(self.rule, minlength=len(RULES))
        return {name: int(count) for name, count in zip(RULES[1:], counts[1:], strict=True) if count}

    @property
    def language(self) -> str:
        """The language of the text."""
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


def read_text(source: TextInput, spill: Path, clean: Clean | None = None) -> OwnText:
    """Read a side; rows that can't be read, empty ones, and those that break a rule keep their place but are not usable.

    Holds one chunk of rows, and what `OwnText` says (of BUCC files, all of it while it is read).

    Args:
        source: the text to read.
        spill: an Arrow file that is written for it.
        clean: the rules that sentences have to pass; none, if not given.

    Raises:
        UserError: for a missing or damaged file, text without a usable row, or when more than a fifth can't be read.
    """
    source.check()
    kind = source.kind
    if source.by_language and source.language == UNKNOWN:
        raise UserError(f"{source.option}: {source.path} is {kind}, which holds languages; give --languages")
    schema, frames = SCHEMA, _frames(source, kind)
    ids: Sentences | None = None
    if kind == "bucc":
        found = _read_bucc(source, spill.with_suffix(".tsv"))
        ids, frames = Sentences(found.path, found.ids, []), _bucc_frames(found)
        schema = schema.append(pa.field("id", pa.string()))
    (text,) = _spilled((source,), (spill,), clean, ((frame,) for frame in frames), schema)
    return replace(text, ids=ids)


def _spilled(
    sources: Sequence[TextInput],
    spills: Sequence[Path],
    clean: Clean | None,
    frames: Iterable[tuple[pl.DataFrame, ...]],
    schema: pa.Schema = SCHEMA,
) -> list[OwnText]:
    """Write each side's rows to its Arrow file as they are read, and count them; ``frames`` has one of each side."""
    counted = [_Counted(source, clean) for source in sources]
    with ExitStack() as stack:
        sinks = [stack.enter_context(pa.OSFile(str(spill), "wb")) for spill in spills]
        writers = [stack.enter_context(pa.ipc.new_file(sink, schema)) for sink in sinks]
        for sides in frames:
            for side, counts, writer in zip(sides, counted, writers, strict=True):
                counts.add(side)
                writer.write_table(_table(side, schema))
    found = zip(sources, spills, counted, strict=True)
    return [_checked(OwnText(source, _mapped(spill), *counts.result(), None)) for source, spill, counts in found]


def _checked(text: OwnText) -> OwnText:
    """The text itself.

    Raises:
        InputError: if it has no usable row.
    """
    if not text.usable.any():
        why = ", ".join(f"{count:,} {name}" for name, count in text.broken.items())
        problem = f"no sentence passes the rules ({why}); --keep spares text a rule" if why else "no sentences"
        raise InputError(text.source.path, problem + ("" if why else "; expected at least one"))
    return text


def read_sides(
    a: TextInput, b: TextInput, spills: tuple[Path, Path], clean: Clean | None = None
) -> tuple[OwnText, OwnText]:
    """Read two sides whose rows belong together; of a format that holds pairs, both from its one file.

    Args:
        a: the first side.
        b: the second.
        spills: an Arrow file that is written for each.
        clean: the rules that sentences have to pass; none, if not given.

    Raises:
        UserError: if a file can't be used (`read_text`); for two files that hold pairs each; for another number of rows.
    """
    inside = [side for side in (a, b) if side.by_language]
    if not inside:
        one, other = read_text(a, spills[0], clean), read_text(b, spills[1], clean)
        if len(one) != len(other):
            raise InputError(
                f"{a.path} and {b.path}",
                f"{len(one):,} and {len(other):,} lines; expected equally many, aligned line by line",
            )
        return one, other
    if a.path != b.path or a.kind != b.kind:
        raise UserError(
            f"{inside[0].option}: {inside[0].path} is {inside[0].kind}, which holds both sides; expected the same file for "
            f"the other side, found {(b if inside[0] is a else a).path}"
        )
    return _read_pairs(a, b, spills, clean)


def _read_pairs(a: TextInput, b: TextInput, spills: tuple[Path, Path], clean: Clean | None) -> tuple[OwnText, OwnText]:
    a.check()
    if UNKNOWN in (a.language, b.language) or a.language == b.language:
        raise UserError(
            f"{a.option}: {a.path} is {a.kind}, which holds languages; give two different --languages, found "
            f"{a.language},{b.language}"
        )
    frames = ((frame, _second(frame)) for frame in _read_frames(a, (a.language, b.language)))
    one, other = _spilled((a, b), spills, clean, frames)
    return one, other


def _second(frame: pl.DataFrame) -> pl.DataFrame:
    """Side b's text, and where it stands, in side a's columns."""
    return frame.with_columns(a=pl.col("b"), file=pl.coalesce("file_b", "file"), line=pl.coalesce("line_b", "line"))


class _Counted:
    """Keys, flags and counts of rows, chunk by chunk."""

    def __init__(self, source: TextInput, clean: Clean | None) -> None:
        self.option, self.rows, self.empty, self.unreadable, self.first_bad = source.option, 0, 0, 0, ""
        self.clean = clean
        self.rules = [] if clean is None else rules(clean, (source.language,))
        self.rule: list[NDArray[np.uint8]] = [np.empty(0, np.uint8)]
        self.keys: list[Keys] = [as_keys([])]
        self.usable: list[NDArray[np.bool_]] = [np.empty(0, np.bool_)]

    def add(self, frame: pl.DataFrame) -> None:
        bad = frame.filter(pl.col("reason").is_not_null() & ~pl.col("reason").is_in(NOT_BAD))
        if bad.height and not self.first_bad:
            row = bad.row(0, named=True)
            self.first_bad = f"{row['file']}:{row['line']}: {row['reason']} {row['detail'] or ''}".rstrip()
        readable = frame["reason"].is_null()
        usable = readable & (frame["a"].fill_null("").str.strip_chars() != "")
        rule = np.zeros(frame.height, np.uint8)
        if self.clean is not None:
            found = broken_rules((frame["a"].filter(usable),), self.clean, self.rules)
            # What is empty once it is clean is empty.
            numbers = found.replace_strict({"empty": 255, **{name: n for n, name in enumerate(RULES)}}, default=0)
            rule[usable.to_numpy()] = numbers.fill_null(0).cast(pl.UInt8).to_numpy()
            usable &= pl.Series(rule == 0)
            rule[rule == 255] = 0
        self.rule.append(rule)
        self.rows += frame.height
        self.unreadable += bad.height
        self.empty += int((~usable).sum()) - bad.height - int((rule > 0).sum())
        keys = np.zeros(frame.height, dtype="S16")
        keys[usable.to_numpy()] = as_keys(text_keys(frame["a"].filter(usable)).to_list())
        self.keys.append(keys)
        self.usable.append(usable.to_numpy())

    def result(self) -> tuple[Keys, NDArray[np.bool_], int, int, NDArray[np.uint8]]:
        if self.unreadable > MAX_BAD_SHARE * self.rows:
            raise UserError(
                f"{self.option}: {self.unreadable:,} of {self.rows:,} rows can't be read; the first: {self.first_bad}"
            )
        rule = np.concatenate(self.rule)
        return np.concatenate(self.keys), np.concatenate(self.usable), self.empty, self.unreadable, rule


def _frames(source: TextInput, kind: str) -> Iterator[pl.DataFrame]:
    """Frames of `pipeline.corpora.base.SCHEMA`, whose column ``a`` is the text."""
    if kind != "po":
        yield from _read_frames(source, (source.language,))
        return
    if len(set(source.pair)) != 2 or UNKNOWN in source.pair:
        raise UserError(
            f"{source.option}: {source.path} is po, messages and their translations; give --languages of both"
        )
    for frame in _read_frames(source, source.pair):
        yield frame if source.language == source.pair[0] else _second(frame)


def _read_frames(source: TextInput, group: tuple[str, ...]) -> Iterator[pl.DataFrame]:
    path, plain = source.path, Path(source.path).exists()
    if plain and glob.has_magic(path):
        path = glob.escape(path)
    root = Path(path).parent if Path(path).is_absolute() and plain else Path()
    request = ReadRequest(
        name=source.option,
        root=root,
        groups=(group,),
        path=path,
        languages=group,
        columns=() if source.column is None else ((source.language, source.column),),
        encoding=source.encoding,
    )
    reader = plain_reader(source.kind)
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
