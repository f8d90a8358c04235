"""Language codes and language pairs.

Codes are unified with `langcodes` (BCP 47): ``eng``, ``eng_Latn`` and ``en`` meet in one spelling, and so do ``zh``,
``zh_Hans``, ``zho_Hans`` and ``cmn``, because a script that is the language's usual one says nothing. Where a language is
written in two scripts (`SEVERAL_SCRIPTS`) it does say something: ``sr`` is Serbian in either, ``sr-Cyrl`` and ``sr-Latn`` are
narrower. gettext's spelling counts too (``sr@latin``, ``ca_ES@valencia``). A pair is ordered by the project's list of
languages, whose first one gives the labels.

Whatever a corpus, a file's name, a column or a benchmark calls a language, `match_language` says which of the wanted ones it
is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import langcodes
from langcodes.data_dicts import LIKELY_SUBTAGS, MACROLANGUAGES
from langcodes.tag_parser import LanguageTagError

SAME_SCRIPT = {"Hang": "Kore", "Hira": "Jpan", "Kana": "Jpan", "Hrkt": "Jpan"}
"""Scripts that stand for a mixed one in corpus file names (FLORES writes ``kor_Hang``)."""

SEVERAL_SCRIPTS: Mapping[str, tuple[str, ...]] = {
    # the Slavic languages of former Yugoslavia, and Romani
    "sr": ("Cyrl", "Latn"), "bs": ("Latn", "Cyrl"), "rom": ("Latn", "Cyrl"),
    # Turkic
    "az": ("Latn", "Cyrl", "Arab"), "crh": ("Latn", "Cyrl"), "gag": ("Latn", "Cyrl"), "kaa": ("Cyrl", "Latn"),
    "kk": ("Cyrl", "Latn", "Arab"), "ky": ("Cyrl", "Arab", "Latn"), "tk": ("Latn", "Cyrl", "Arab"), "tt": ("Cyrl", "Latn"),
    "ug": ("Arab", "Cyrl", "Latn"), "uz": ("Latn", "Cyrl", "Arab"),
    # Iranian
    "bal": ("Arab", "Latn"), "ku": ("Latn", "Arab", "Cyrl"), "tg": ("Cyrl", "Latn", "Arab"), "tly": ("Latn", "Cyrl", "Arab"),
    # South Asian
    "doi": ("Deva", "Arab"), "gom": ("Deva", "Latn"), "kok": ("Deva", "Latn"), "ks": ("Arab", "Deva"),
    "lah": ("Arab", "Guru"), "mni": ("Beng", "Mtei"), "pa": ("Guru", "Arab"), "rhg": ("Rohg", "Arab", "Latn"),
    "sat": ("Olck", "Deva", "Latn", "Beng"), "sd": ("Arab", "Deva"),
    # Mongolian, Sinitic, Malay and its neighbours
    "cdo": ("Hans", "Latn"), "hak": ("Hans", "Latn"), "mn": ("Cyrl", "Mong"), "nan": ("Hans", "Latn"),
    "ace": ("Latn", "Arab"), "bjn": ("Latn", "Arab"), "min": ("Latn", "Arab"), "ms": ("Latn", "Arab"),
    # African
    "bm": ("Latn", "Nkoo"), "dyu": ("Latn", "Nkoo"), "ff": ("Latn", "Adlm"), "ha": ("Latn", "Arab"), "kab": ("Latn", "Tfng"),
    "kr": ("Latn", "Arab"), "man": ("Latn", "Nkoo"), "rif": ("Latn", "Tfng"), "shi": ("Tfng", "Latn"),
    "taq": ("Latn", "Tfng"), "tzm": ("Latn", "Tfng"), "vai": ("Vaii", "Latn"),
    # Canadian syllabics, Ladino
    "cr": ("Cans", "Latn"), "iu": ("Cans", "Latn"), "oj": ("Cans", "Latn"), "lad": ("Hebr", "Latn"),
}  # fmt: skip
"""Languages that are customarily written in more than one script, by Unicode CLDR's languageData (its primary scripts, and of
its secondary ones those that corpora have); the usual one first."""

MEANT = {"pbt": "ps", "pbu": "ps", "quy": "qu", "dik": "din"}
"""Members of macro-languages that corpora mean by the macro-language's code, where CLDR has no alias (it has ``arb``,
``cmn``, ``zsm``, ``pes``, ``ekk``, ``lvs``, ``swh`` …)."""

SAME_LANGUAGE = {"no": "nb", "nb": "no"}
"""Codes of one language that both stay as the project spells them: Norwegian without more is Bokmål, CLDR says."""

MODIFIERS = {
    "latin": "Latn", "latn": "Latn", "iqtelif": "Latn", "cyrillic": "Cyrl", "cyrl": "Cyrl", "arabic": "Arab", "arab": "Arab",
    "devanagari": "Deva", "deva": "Deva", "hebrew": "Hebr", "tifinagh": "Tfng", "greek": "Grek", "mongolian": "Mong",
}  # fmt: skip
"""gettext's modifiers that name a script; another is a variant (``valencia``) if BCP 47 could have it, else nothing."""

LOCALE = re.compile(r"(?P<tag>[^.@]+)(?:\.[^@]*)?@(?P<modifier>[A-Za-z0-9]+)\Z")
"""A POSIX locale with a modifier; the encoding between says nothing of the language."""

CODE = (
    r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{4})?(?:[-_](?:[A-Za-z]{2}|[0-9]{3}))?(?:[-_](?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))?"
    r"(?:@[A-Za-z]+)?"
)
"""A regular expression for what may be a language code in a file's name."""

MAX_CODE_CHARS = 64
"""Longer than any language tag; what is longer is not even parsed."""

KNOWN_CODES = 4_096
"""Codes that are remembered: a corpus' own keys and names are asked for too, and there may be any number of those."""

MAX_OTHERS = 20
"""Codes of a corpus' other languages that are noted."""

NEAR = 10
"""By CLDR's distances: Bosnian and Croatian, Egyptian and standard Arabic, a language's scripts are no further apart."""


@lru_cache(KNOWN_CODES)
def canonical_language(code: str) -> str:
    """The project's spelling of a language code: the shortest BCP 47 tag (``eng`` → ``en``, ``zho_Hans`` → ``zh``).

    A script stays only where it says something: where it isn't the usual one (``zh-Hant``), or one of several (``sr-Cyrl``).
    A region stays (``pt-BR``), and so does a variant (``ca-valencia``).

    Raises:
        ValueError: if it is no language code.
    """
    if len(code) > MAX_CODE_CHARS:
        raise ValueError(
            f"{code[:MAX_CODE_CHARS]!r}… is not a language code; expected one like 'en', 'ko' or 'zh-Hant'"
        )
    try:
        language = langcodes.Language.get(_bcp47(code.strip())).prefer_macrolanguage()
        valid = language.is_valid() and language.language is not None
    except LanguageTagError:
        valid = False
    if not valid or not code:
        raise ValueError(f"{code!r} is not a language code; expected one like 'en', 'ko' or 'zh-Hant'")
    if (name := str(language.language)) in MEANT:
        name = MEANT[name]
    script = language.script
    usual = script is not None and SAME_SCRIPT.get(script, script) == _usual_script(name, language.territory)
    if usual and name not in SEVERAL_SCRIPTS:
        script = None
    return _tag(name, script, language.territory, language.variants)


def _bcp47(code: str) -> str:
    """The code with gettext's modifier as a script or variant."""
    if (match := LOCALE.match(code)) is None:
        return code.replace("_", "-")
    language, _, rest = match["tag"].replace("_", "-").partition("-")
    modifier = match["modifier"].lower()
    script = MODIFIERS.get(modifier)
    variant = modifier if script is None and (len(modifier) > 4 or modifier[0].isdigit()) else None
    return "-".join(part for part in (language, script, rest, variant) if part)


def _tag(language: str, script: str | None, territory: str | None, variants: Sequence[str] | None = None) -> str:
    made = langcodes.Language.make(
        language=language, script=script, territory=territory, variants=list(variants) if variants else None
    )
    return made.to_tag()


def _usual_script(language: str, territory: str | None) -> str | None:
    return langcodes.Language.make(language=language, territory=territory).maximize().script


def usual_language(code: str) -> str:
    """The canonical language without a script that is its usual one; a code that no standard knows stays itself.

    >>> usual_language("srp_Cyrl"), usual_language("srp_Latn"), usual_language("qqq")
    ('sr', 'sr-Latn', 'qqq')
    """
    if (tag := _known(code)) is None:
        return code
    language = langcodes.Language.get(tag)
    scripts = SEVERAL_SCRIPTS.get(str(language.language), ())
    if scripts and language.script == scripts[0]:
        return _tag(str(language.language), None, language.territory, language.variants)
    return tag


def is_language(code: str) -> bool:
    """Whether it is a language code in any spelling.

    >>> is_language("eng_Latn"), is_language("sr@latin"), is_language("README")
    (True, True, False)
    """
    return _known(code) is not None


def _known(code: str) -> str | None:
    """The project's spelling of a language code; None if it is no language code."""
    try:
        return canonical_language(code)
    except ValueError:
        return None


def scripts_of(language: str) -> tuple[str, ...]:
    """The ISO 15924 codes of the scripts that a language is written in, the usual one first; none if that isn't known.

    >>> scripts_of("ja"), scripts_of("zh-TW"), scripts_of("sr"), scripts_of("sr-Latn"), scripts_of("azb")
    (('Jpan',), ('Hant',), ('Cyrl', 'Latn'), ('Latn',), ())
    """
    tag = langcodes.Language.get(language)
    if tag.script is not None:
        return (tag.script,)
    name = tag.language or ""
    if name in SEVERAL_SCRIPTS:
        return SEVERAL_SCRIPTS[name]
    # langcodes takes what it has no data of for something that is written in America.
    script = tag.maximize().script if name in LIKELY_SUBTAGS else None
    return () if script is None else (script,)


class WantedLanguages(tuple[str, ...]):
    """The canonical languages that are asked of a corpus, with its own names for them; notes what else it holds.

    Args:
        languages: the canonical codes.
        rename: the corpus' own codes, in whatever spelling, and the canonical ones that they mean.
    """

    rename: Mapping[str, str]
    others: dict[str, None]
    met: set[str]

    def __new__(cls, languages: Iterable[str], rename: Iterable[tuple[str, str]] = ()) -> WantedLanguages:
        """See the class."""
        made = super().__new__(cls, languages)
        made.rename = {_spelling(code): language for code, language in rename}
        made.others = {}
        made.met = set()
        return made

    def unmet(self) -> list[str]:
        """The corpus' own codes that are renamed and stood nowhere."""
        return [code for code in self.rename if code not in self.met]


def match_language(code: str, wanted: Sequence[str]) -> str | None:
    """Which of the wanted canonical languages a corpus' own code means, or None.

    What the corpus renames counts first, then an exact match; else variant and region are left out (``ca@valencia`` → ``ca``,
    ``en-US`` → ``en``, ``zh-TW`` → ``zh-Hant``), and the script of a language that has several (``srp_Latn`` → ``sr``). A
    code that names no script may be the one in the usual script (``uz`` → ``uz-Latn``).
    """
    if not isinstance(wanted, WantedLanguages):
        return _matched(code, tuple(wanted)) if len(code) <= MAX_CODE_CHARS else None
    if (renamed := wanted.rename.get(_spelling(code))) is not None:
        wanted.met.add(_spelling(code))
        return renamed if renamed in wanted else None
    if len(code) > MAX_CODE_CHARS:
        return None
    found = _matched(code, tuple(wanted))
    if found is None and len(wanted.others) < MAX_OTHERS and (is_language(code) or _near(code, tuple(wanted))):
        wanted.others[code] = None
    return found


def _spelling(code: str) -> str:
    return code.strip().replace("_", "-").lower()


@lru_cache(KNOWN_CODES)
def _matched(code: str, wanted: tuple[str, ...]) -> str | None:
    tag = _known(code)
    return None if tag is None else next((general for general in _more_general(tag) if general in wanted), None)


def _more_general(tag: str) -> list[str]:
    """The tag and what it may be called with less, nearest first."""
    language = langcodes.Language.get(tag)
    name, script, territory = str(language.language), language.script, language.territory
    found = [tag, _tag(name, script, territory)]
    # A region may say the script (zh-TW), which then isn't lost.
    found.append(canonical_language(_tag(name, language.maximize().script if territory else script, None)))
    if name in SEVERAL_SCRIPTS:
        found += [name] if script or territory else [_tag(name, SEVERAL_SCRIPTS[name][0], None)]
    if name in SAME_LANGUAGE:
        found += [found_tag.replace(name, SAME_LANGUAGE[name], 1) for found_tag in found]
    return list(dict.fromkeys(found))


def choose_codes(codes: Iterable[str], wanted: Sequence[str]) -> dict[str, str]:
    """From a corpus' own codes to the wanted languages, one code for each: the one that says it best.

    That is the exact one (``pt`` and not ``pt-BR`` for ``pt``), else one in the usual script, else the shortest.

    >>> choose_codes(["pt-BR", "pt", "de", "min_Arab", "min_Latn"], ["pt", "min"])
    {'pt': 'pt', 'min_Latn': 'min'}
    """
    named = [(code, found) for code in dict.fromkeys(codes) if (found := match_language(code, wanted)) is not None]
    best: dict[str, str] = {}
    for code, language in sorted(named, key=lambda item: (*_closeness(*item), len(item[0]), item[0])):
        best.setdefault(language, code)
    return {code: language for code, language in named if best[language] == code}


def _closeness(code: str, language: str) -> tuple[int, int]:
    """How closely a corpus' code says one of the languages it may mean; less is closer."""
    if (tag := _known(code)) is None:  # a corpus' own name, which `rename` explains
        return (0, 0)
    general = _more_general(tag)
    scripts = scripts_of(general[0])
    usual = bool(scripts) and scripts[0] == (scripts_of(language) or scripts)[0]
    return (0 if general[0] == language else 1, 0 if usual else 1)


@lru_cache(KNOWN_CODES)
def _near(code: str, wanted: tuple[str, ...]) -> str | None:
    """The wanted language that somebody may mean by a code that isn't its: a relative, or a country for its language."""
    if (tag := _known(code)) is not None:
        distances = [(langcodes.tag_distance(tag, language), language) for language in wanted]
        same = [language for language in wanted if _family(language) == _family(tag)]
        near = [language for distance, language in sorted(distances) if distance <= NEAR]
        if same or near:
            return (same or near)[0]
    if not re.fullmatch(r"[A-Za-z]{2}", code):
        return None
    spoken = langcodes.Language.make(territory=code.upper()).maximize().language
    return next((language for language in wanted if language.partition("-")[0] == spoken), None)


def _family(tag: str) -> str:
    name = tag.partition("-")[0]
    return MACROLANGUAGES.get(name, name)


def other_languages(wanted: Sequence[str]) -> str:
    """What is to be said of the codes of a corpus that are no wanted language; empty if there are none.

    >>> japanese = WantedLanguages(["en", "ja"])
    >>> match_language("jp", japanese), other_languages(japanese)
    (None, "found jp; did you mean ja? then give the corpus 'rename: {jp: ja}'")
    """
    others = list(wanted.others) if isinstance(wanted, WantedLanguages) else []
    meant = [(code, near) for code in others if (near := _near(code, tuple(wanted))) is not None]
    if meant:
        renames = ", ".join(f"{code}: {near}" for code, near in meant[:3])
        asked = f"did you mean {', '.join(dict.fromkeys(near for _, near in meant[:3]))}?"
        codes = ", ".join(code for code, _ in meant[:3])
        return f"found {codes}; {asked} then give the corpus 'rename: {{{renames}}}'"
    return f"found {', '.join(others[:5])}" if others else ""


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
    parts, readings = name.split("-"), set[tuple[str, str]]()
    for cut in range(1, len(parts)):
        a, b = _known("-".join(parts[:cut])), _known("-".join(parts[cut:]))
        if a is not None and b is not None:
            readings.add((a, b))
    return readings
