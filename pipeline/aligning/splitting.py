"""Paragraphs to sentences, with sentencex (the extra ``split``): Wikimedia's rules for some 300 languages, in its package."""

from __future__ import annotations

from pipeline.aligning.documents import Split
from pipeline.console.errors import UserError
from pipeline.text.rules import UNKNOWN


def splitter(language: str) -> Split:
    """What splits a paragraph of a language into sentences; text stays as it is, white space between sentences apart.

    A language without rules of its own has those of its nearest relative, at last English's.

    Raises:
        UserError: if the language is not known, or the package isn't installed.
    """
    if language == UNKNOWN:
        raise UserError("--split needs the languages, and the names don't tell them; give --languages en,fr")
    try:
        from sentencex import segment
    except ImportError:
        raise UserError("--split needs a package that is not installed: pip install 'softalign[split]'") from None
    code = language.partition("-")[0]

    def split(paragraph: str) -> list[str]:
        return [str(sentence) for sentence in segment(code, paragraph)]

    return split
