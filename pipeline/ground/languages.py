"""Language codes and language pairs.

Codes are unified with `langcodes` (BCP 47): ``eng``, ``eng_Latn`` and ``en`` meet in one spelling, and so do ``zh``,
``zh_Hans``, ``zho_Hans`` and ``cmn``, because a script that is the language's usual one says nothing. A pair is ordered by
the project's list of languages, whose first one gives the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import langcodes
from langcodes.tag_parser import LanguageTagError

SAME_SCRIPT = {"Hang": "Kore", "Hira": "Jpan", "Kana": "Jpan", "Hrkt": "Jpan"}
"""Scripts that stand for a mixed one in corpus file names (FLORES writes ``kor_Hang``)."""

MAX_CODE_CHARS = 64
"""Longer than any language tag; what is longer is not even parsed."""

KNOWN_CODES = 4_096
"""Codes that are remembered: a corpus' own keys and names are asked for too, and there may be any number of those."""


@lru_cache(KNOWN_CODES)
def canonical_language(code: str) -> str:
    """The project's spelling of a language code: the shortest BCP 47 tag (``eng`` → ``en``, ``zho_Hans`` → ``zh``).

    A script stays only where it isn't the usual one (``zh-Hant``, ``sr-Latn``); a region stays (``pt-BR``).

    Raises:
        ValueError: if it is no language code.
    """
    if len(code) > MAX_CODE_CHARS:
        raise ValueError(
            f"{code[:MAX_CODE_CHARS]!r}… is not a language code; expected one like 'en', 'ko' or 'zh-Hant'"
        )
    try:
        language = langcodes.Language.get(langcodes.standardize_tag(code.strip().replace("_", "-"), macro=True))
        valid = language.is_valid() and language.language is not None
    except LanguageTagError:
        valid = False
    if not valid or not code:
        raise ValueError(f"{code!r} is not a language code; expected one like 'en', 'ko' or 'zh-Hant'")
    if language.script is not None and SAME_SCRIPT.get(language.script, language.script) == _usual_script(language):
        language = langcodes.Language.make(
            language=language.language, territory=language.territory, variants=language.variants
        )
    return language.to_tag()


def _usual_script(language: langcodes.Language) -> str | None:
    bare = langcodes.Language.make(language=language.language, territory=language.territory)
    return bare.maximize().script


def script_of(language: str) -> str:
    """The ISO 15924 code of the script that a language is written in (``ja`` → ``Jpan``, ``zh-TW`` → ``Hant``)."""
    return langcodes.Language.get(language).maximize().script or "Zyyy"


@lru_cache(KNOWN_CODES)
def match_language(code: str, wanted: tuple[str, ...]) -> str | None:
    """Which of the wanted canonical languages a corpus' own code means, or None.

    An exact match counts first; else the region is left out (``en-US`` → ``en``, ``zh-TW`` → ``zh-Hant``).
    """
    try:
        tag = canonical_language(code)
    except ValueError:
        return None
    if tag in wanted:
        return tag
    language = langcodes.Language.get(tag)
    if language.territory is None:
        return None
    script = language.maximize().script
    general = canonical_language(langcodes.Language.make(language=language.language, script=script).to_tag())
    return general if general in wanted else None


@dataclass(frozen=True)
class LanguagePair:
    """Two languages, the one with priority first."""

    a: str
    b: str

    @property
    def name(self) -> str:
        """As in params.yaml, folders and metrics: ``a-b``."""
        return f"{self.a}-{self.b}"


def parse_pair(name: str, languages: Sequence[str]) -> LanguagePair:
    """Split ``a-b`` where both are among ``languages`` (whose codes may hold hyphens), a before b.

    Raises:
        ValueError: if it isn't such a pair; the message says what would be.
    """
    spelled = _spelled(name)
    for position, a in enumerate(languages):
        for b in languages[position + 1 :]:
            if (a, b) in spelled:
                return LanguagePair(a, b)
            if (b, a) in spelled:
                raise ValueError(f"pairs: {name!r} must be written {a}-{b}: languages lists {a} first")
    raise ValueError(f"pairs: {name!r} is not two of the languages {', '.join(languages)} joined by '-'")


def _spelled(name: str) -> set[tuple[str, str]]:
    """The two canonical languages that a name may mean: codes hold hyphens, so there may be more than one reading."""
    parts, readings = name.split("-"), set()
    for cut in range(1, len(parts)):
        try:
            readings.add((canonical_language("-".join(parts[:cut])), canonical_language("-".join(parts[cut:]))))
        except ValueError:
            continue
    return readings
