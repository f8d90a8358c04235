"""What names say of languages, against what params.yaml or a command line says.

A file or column that is given for one language and is named for another of the same corpus is a contradiction that is known
before anything is read: swapped arguments, as a rule, after which a teacher labels what it can't read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from pipeline.console.errors import UserError
from pipeline.corpora.base import ReadRequest, Unit
from pipeline.ground.languages import WantedLanguages, match_language

NO_LANGUAGE = frozenset(
    {"txt", "gz", "xz", "bz2", "zst", "tsv", "csv", "jsonl", "parquet", "arrow", "tmx", "xlf", "po"}
)
"""Ends of names that are a format's or a compression's, whatever language has such a code."""


UNLESS = "or, if the name is wrong, say with the corpus' 'rename' what it means"


def said_language(name: str, wanted: WantedLanguages) -> tuple[str | None, bool]:
    """The wanted language that a name says, and whether it surely is meant as one.

    Sure is a part between dots (``news.fr.txt.gz``), the last one first; else it is a whole folder (``fr/news.txt``) or a
    part between other signs (``news_fr``), if all such parts say one language.

    >>> wanted = WantedLanguages(["en", "fr"])
    >>> said_language("corpus/news.en-fr.fr", wanted), said_language("fr_news", wanted)
    (('fr', True), ('fr', False))
    """
    path = PurePosixPath(name)
    dotted = [part for part in path.name.split(".") if part.lower() not in NO_LANGUAGE]
    for parts, sure in ((dotted, True), (path.parent.parts, False)):
        for part in reversed(parts):
            # A part that names two languages is a pair (en-fr), and not a language with its region.
            if len(_languages(re.split(r"[-_]", part), wanted)) > 1:
                continue
            if (language := match_language(part, wanted)) is not None:
                return language, sure
    said = _languages([word for part in dotted for word in re.split(r"[^A-Za-z]+", part)], wanted)
    return (said.pop(), False) if len(said) == 1 else (None, False)


def _languages(words: Iterable[str], wanted: WantedLanguages) -> set[str]:
    return {language for word in words if (language := match_language(word, wanted)) is not None}


def refuse_swapped(names: Mapping[str, str], wanted: WantedLanguages, where: str, cure: str) -> None:
    """Stop where names say other languages than they are given for.

    A sure name counts by itself; one that isn't, only where two names say each other's language.

    Args:
        names: the file or column of each language.
        wanted: the languages that are told apart, with the corpus' own names for them.
        where: the parameter or option that gave them, for the message.
        cure: the advice at the message's end.

    Raises:
        UserError: naming both, and the cure.
    """
    said = {language: said_language(name, wanted) for language, name in names.items()}
    for language, (other, sure) in said.items():
        if other is None or other == language:
            continue
        if sure or (other in said and said[other][0] == language):
            raise UserError(f"{where}: {names[language]} is given for {language}, but its name says {other}; {cure}")


def refuse_same(names: Mapping[str, str], where: str) -> None:
    """Stop where two languages are to be read from one place.

    Args:
        names: the place of each language: of a file, its resolved path.
        where: the parameter or option that gave them, for the message.

    Raises:
        UserError: naming the languages and the place.
    """
    seen: dict[str, str] = {}
    for language, name in names.items():
        if (other := seen.setdefault(name, language)) != language:
            raise UserError(
                f"{where}: {other} and {language} are both {PurePosixPath(name).name}; expected a file or column for each"
            )


def check_sides(texts: Mapping[str, Path]) -> None:
    """Stop where the two files that a command line names as ``--src`` and ``--trg`` are one, or are swapped.

    Raises:
        UserError: if they are.
    """
    refuse_same({language: str(path.resolve()) for language, path in texts.items()}, "--src and --trg")
    names = {language: path.name for language, path in texts.items()}
    cure = "swap --src and --trg, or name --languages in their order; if the name is wrong, rename the file"
    refuse_swapped(names, WantedLanguages(texts), "--src and --trg", cure)


def check_names(request: ReadRequest, units: Sequence[Unit]) -> None:
    """Stop where a corpus' files or columns are swapped, or one stands for two languages.

    Raises:
        UserError: if they are.
    """
    where = f"corpus {request.name}"
    if request.files:
        refuse_swapped(dict(request.files), request.wanted, f"{where}: files", f"swap them, {UNLESS}")
    columns = {language: column for language, column in request.columns if isinstance(column, str)}
    refuse_swapped(columns, request.wanted, f"{where}: columns", f"swap them, {UNLESS}")
    refuse_same({language: str(column) for language, column in request.columns}, f"{where}: columns")
    for unit in units:
        for group in unit.groups:
            if len(unit.sources) == len(group) == 2:
                sources = zip(group, unit.sources, strict=True)
                refuse_same({language: f"{source.path.resolve()}:{source.name}" for language, source in sources}, where)
