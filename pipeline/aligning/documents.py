"""Documents to be aligned: which belong together, and their sentences.

Documents are files of text, perhaps compressed: a sentence a line, or paragraphs that are split into sentences. A document is
held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from pipeline.console.errors import InputError, UserError
from pipeline.corpora.base import file_source
from pipeline.corpora.lines import read_lines
from pipeline.corpora.named import refuse_same, refuse_swapped
from pipeline.ground.arrays import Rows
from pipeline.ground.languages import WantedLanguages, canonical_language
from pipeline.mining.files.text import COMPRESSED, MAX_BAD_SHARE
from pipeline.text.rules import UNKNOWN

Split = Callable[[str], list[str]]
"""A paragraph to its sentences."""


@dataclass(frozen=True)
class DocumentPair:
    """Two files that are to be aligned.

    Attributes:
        name: what provenance calls the pair: the files' common name, relative to their folders.
        a: the file of the first language.
        b: the file of the second language.
    """

    name: str
    a: Path
    b: Path


@dataclass(frozen=True)
class Document:
    """A document as read.

    Attributes:
        path: its file.
        sentences: those that have text, without white space around them [n].
        lines: the line of each, from 1 [n]; several sentences of a paragraph have the same.
        empty: lines without text.
        unreadable: lines that can't be read (not UTF-8, over 1 MiB, …).
        first_unreadable: where the first of them is, and what is wrong with it.
    """

    path: Path
    sentences: list[str]
    lines: list[int]
    empty: int
    unreadable: int
    first_unreadable: str

    @property
    def sizes(self) -> Rows:
        """The bytes of each sentence in UTF-8 [n]."""
        return np.array([len(sentence.encode()) for sentence in self.sentences], dtype=np.int64)


def paired_files(a: Path, b: Path, languages: tuple[str, str], allow_missing: bool) -> tuple[list[DocumentPair], int]:
    """The pairs of two files, or of two folders in which documents have the same names.

    Names are the same if they are so without what says the language and the compression: ``1/news.de.txt`` and
    ``1/news.fr.txt.gz``. Files whose names begin with a dot are none.

    Args:
        a: the first side's file or folder.
        b: the second side's.
        languages: the languages of both sides.
        allow_missing: leave out documents that only one side has.

    Returns:
        The pairs, by name, and how many documents were left out.

    Raises:
        UserError: for a file and a folder, documents that only one side has, or two of one name.
    """
    if a.is_dir() != b.is_dir():
        folder, file = (a, b) if a.is_dir() else (b, a)
        raise UserError(
            f"{folder} is a folder and {file} is a file; expected two documents, or two folders of documents"
        )
    if not a.is_dir():
        return [DocumentPair(a.name, a, b)], 0
    sides = [_named(folder, language) for folder, language in zip((a, b), languages, strict=True)]
    lacking = [(folder, names[name]) for folder, names, other in ((b, sides[0], sides[1]), (a, sides[1], sides[0]))
               for name in names.keys() - other.keys()]  # fmt: skip
    if lacking and not allow_missing:
        folder, file = min(lacking, key=lambda found: str(found[1]))
        raise UserError(
            f"{file}: has no counterpart of this name in {folder} ({len(lacking):,} such files on both sides); expected "
            "documents of the same names, or leave those out (--allow-missing; of a corpus, align.allow_missing: true)"
        )
    pairs = [DocumentPair(name, sides[0][name], sides[1][name]) for name in sorted(sides[0].keys() & sides[1].keys())]
    if not pairs:
        raise UserError(f"{a} and {b} have no document of the same name")
    return pairs, len(lacking)


def _named(folder: Path, language: str) -> dict[str, Path]:
    """The documents of a folder by their names without language and compression."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_dir() or any(part.startswith(".") for part in relative.parts):
            continue
        parts = [part for part in path.name.split(".") if part not in COMPRESSED and not _says(part, language)]
        name = (PurePosixPath(relative.as_posix()).parent / ".".join(parts or [path.name])).as_posix()
        if name in found:
            raise UserError(f"{path}: found a second document named {name} beside {found[name]}; expected one")
        found[name] = path
    if not found:
        raise InputError(folder, "a folder without files; expected documents")
    return found


def _says(part: str, language: str) -> bool:
    try:
        return canonical_language(part) == language
    except ValueError:
        return False


def listed_files(path: Path) -> list[DocumentPair]:
    """The pairs that a TSV lists: two paths a line, relative to its folder.

    Raises:
        InputError: for a line of another form, a file that is missing, or a pair that is listed twice.
    """
    pairs: list[DocumentPair] = []
    seen: dict[tuple[str, str], int] = {}
    for number, line in _lines(path):
        fields = line.split("\t")
        if len(fields) != 2 or not all(field.strip() for field in fields):
            raise InputError(path, f"found {line[:60]!r}; expected two paths with a tab between them", number)
        a, b = fields[0].strip(), fields[1].strip()
        if (a, b) in seen:
            raise InputError(path, f"{a} and {b} stand here a second time, after line {seen[a, b]}", number)
        seen[a, b] = number
        for name in (a, b):
            if not (path.parent / name).is_file():
                raise InputError(path, f"{name}: no such file in {path.parent}", number)
        pairs.append(DocumentPair(f"{number:05d}-{Path(a).name}", path.parent / a, path.parent / b))
    if not pairs:
        raise InputError(path, "is empty; expected two paths a line, with a tab between them")
    return pairs


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for frame in read_lines(file_source(path, str(path))):
        for number, text, reason, detail in frame.iter_rows():
            if reason is not None:
                raise InputError(path, f"{reason}: {detail}", number)
            if text.strip():
                yield number, text


def check_pairs(pairs: Sequence[DocumentPair], languages: tuple[str, str]) -> None:
    """Refuse a file that stands on both sides, and names that say the other side's language.

    Raises:
        UserError: naming the files.
    """
    a, b = languages
    wanted = None if a == b or UNKNOWN in languages else WantedLanguages(languages)
    for pair in pairs:
        if pair.a.resolve() == pair.b.resolve():
            raise UserError(f"{pair.a}: is to be aligned with itself; expected a document of each language")
        if wanted is not None:
            names = {a: pair.a.name, b: pair.b.name}
            cure = "swap the sides, or name --languages in their order; if the name is wrong, rename the file"
            refuse_swapped(names, wanted, f"{pair.a} and {pair.b}", cure)
            refuse_same({a: str(pair.a.resolve()), b: str(pair.b.resolve())}, pair.name)


def read_document(path: Path, encoding: str, split: Split | None) -> Document:
    """Read a document.

    Args:
        path: its file.
        encoding: the text's encoding, if no byte order mark says another.
        split: makes sentences of a line; None: a line is a sentence.

    Raises:
        InputError: if it is missing, damaged, or more than a fifth of its lines can't be read.
    """
    sentences: list[str] = []
    lines: list[int] = []
    empty = unreadable = total = 0
    first = ""
    for frame in read_lines(file_source(path, str(path)), encoding):
        for number, text, reason, detail in frame.iter_rows():
            total += 1
            if reason is not None:
                unreadable, first = unreadable + 1, first or f"{path}:{number}: {reason}, {detail}"
                continue
            parts = [part for sentence in (split(text) if split else [text]) if (part := sentence.strip())]
            empty += not parts
            sentences += parts
            lines += [number] * len(parts)
    if unreadable > MAX_BAD_SHARE * total:
        raise InputError(path, f"{unreadable:,} of {total:,} lines can't be read; the first: {first}")
    return Document(path, sentences, lines, empty, unreadable, first)
