"""From params.yaml to what is asked of readers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from pipeline.config.prepare import FORMATS, Corpus, FormattedFiles, TextFile
from pipeline.console.errors import UserError
from pipeline.corpora.base import Reader, ReadRequest
from pipeline.corpora.named import UNLESS, refuse_swapped
from pipeline.ground.languages import LanguagePair, WantedLanguages


def reader_of(files: FormattedFiles) -> Reader:
    """The reader of files that params.yaml names, with the options that stand there."""
    return cast(Reader, files.how)


def plain_reader(name: str) -> Reader:
    """The reader of a format, with its default options.

    Raises:
        RegistryError: if there is no such format.
    """
    return cast(Reader, FORMATS.find(name).model_validate({}))


def corpus_request(corpus: Corpus, pairs: Sequence[LanguagePair], root: Path) -> ReadRequest:
    """What params.yaml asks of a parallel corpus: those of the project's pairs that it may hold.

    Raises:
        UserError: if there are none.
    """
    languages = tuple(corpus.languages or corpus.how.named_files or corpus.columns)
    known = {language for pair in pairs for language in (pair.a, pair.b)}
    if unknown := [language for language in corpus.rename.values() if language not in known]:
        raise UserError(
            f"corpus {corpus.name}: rename: found {unknown[0]}, expected a language of the pairs "
            f"({', '.join(pair.name for pair in pairs)})"
        )
    groups = tuple((pair.a, pair.b) for pair in pairs if not languages or (pair.a in languages and pair.b in languages))
    if not groups:
        raise UserError(
            f"corpus {corpus.name}: none of the pairs {', '.join(pair.name for pair in pairs)} is between its languages "
            f"({', '.join(languages)})"
        )
    return ReadRequest(
        name=corpus.name,
        root=root,
        groups=groups,
        path=corpus.path,
        languages=languages,
        columns=tuple(corpus.columns.items()),
        encoding=corpus.encoding,
        rename=tuple(corpus.rename.items()),
    )


def text_request(text: TextFile, root: Path, languages: Sequence[str]) -> ReadRequest:
    """What params.yaml asks of one-sided text.

    Args:
        text: its entry in params.yaml.
        root: the folder that paths are relative to.
        languages: the project's.

    Raises:
        UserError: if it is a file of lines whose name says another of these languages.
    """
    if text.format == "text":
        wanted = WantedLanguages(dict.fromkeys([text.language, *languages]), text.rename.items())
        cure = f"correct its language or its path, {UNLESS}"
        refuse_swapped({text.language: text.path}, wanted, f"text {text.name}", cure)
    columns = () if text.column is None else ((text.language, text.column),)
    return ReadRequest(
        name=text.name,
        root=root,
        groups=((text.language,),),
        path=text.path,
        languages=(text.language,),
        columns=columns,
        encoding=text.encoding,
        rename=tuple(text.rename.items()),
    )
