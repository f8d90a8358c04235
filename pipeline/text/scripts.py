"""Which letters a language is written in, as character classes of regular expressions."""

from __future__ import annotations

from functools import cache

import polars as pl

from pipeline.ground.languages import scripts_of

MIXED = {
    "Jpan": ("Han", "Hira", "Kana"),
    "Kore": ("Hang", "Han"),
    "Hans": ("Han",),
    "Hant": ("Han",),
}
"""ISO 15924 codes that aren't Unicode scripts, and the Unicode scripts that they stand for."""

NAMES = {"Han": "Han", "Hira": "Hiragana", "Kana": "Katakana", "Hang": "Hangul"}


@cache
def script_class(language: str) -> str | None:
    """A regular expression for one letter of the language's script (of any of its scripts), or None if none is known.

    The prolonged sound mark (ー), whose Unicode script is Common, counts as Japanese.
    """
    scripts = scripts_of(language)
    if not scripts:
        return None
    names = [NAMES.get(part, part) for script in scripts for part in MIXED.get(script, (script,))]
    parts = "".join(rf"\p{{{name}}}" for name in dict.fromkeys(names))
    pattern = rf"[{parts}ー々]" if "Jpan" in scripts else f"[{parts}]"
    try:
        pl.Series(["a"]).str.count_matches(pattern)
    except pl.exceptions.ComputeError:
        return None
    return pattern
