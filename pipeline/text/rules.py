"""The cleaning rules: each a name and an expression that is true where a pair breaks it.

All are vectorised over frames with the columns ``a``, ``b`` (clean text) and ``na``, ``nb`` (normal forms; for one-sided text
there are no ``b`` and ``nb``). The first rule that a pair breaks is the reason it is rejected.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import polars as pl

from pipeline.config.prepare import Clean
from pipeline.text.normalize import clean_text, normal_form
from pipeline.text.scripts import script_class

URL = r"(?i)\bhttps?://|\bwww\."
NUMBER = r"[0-9]+"
THOUSANDS = r"([0-9])[,.'’ ]([0-9]{3})\b"
LETTER = r"\p{Alphabetic}"

UNKNOWN = "und"
"""BCP 47 for a language that nobody told; it has no rule about scripts."""

OFF: Mapping[str, Mapping[str, Any]] = {
    "missing-side": {"placeholders": []},
    "copy": {"copies": False},
    "length-ratio": {"max_length_ratio": 0.0, "length_ratios": {}},
    "urls": {"urls": False},
    "numbers": {"min_number_overlap": 0.0},
    "letters": {"min_letters": 0.0},
    "script": {"min_script": 0.0},
    "too-short": {"min_chars": 1},
    "too-long": {"max_chars": sys.maxsize},
}
"""What switches each rule off."""

Rule = tuple[str, pl.Expr]
SideRule = tuple[str, list[pl.Expr]]
"""A name and, for each side, an expression that is true (or null: false) where that side breaks it."""


def rules(clean: Clean, languages: tuple[str, ...]) -> list[Rule]:
    """The rules for a language pair (of columns ``a`` and ``b``), or for one-sided text's one language, in their order."""
    found = [(name, _any(broken)) for name, broken in _length_rules(clean, len(languages))]
    if len(languages) == 2:
        found += pair_rules(clean, languages)
    return found + [(name, _any(broken)) for name, broken in _letter_rules(clean, languages)]


def broken_side(clean: Clean, languages: tuple[str, ...]) -> pl.Expr:
    """Which side broke the rule that the column ``reason`` names: ``a`` or ``b``; null for a rule about both together."""
    found = [*_length_rules(clean, len(languages)), *_letter_rules(clean, languages)]
    cases = [
        pl.when((pl.col("reason") == name) & broken).then(pl.lit(side))
        for name, sides in found
        for side, broken in zip(("a", "b"), sides, strict=False)
    ]
    return pl.coalesce([*cases, pl.lit(None, pl.String)])


def _length_rules(clean: Clean, count: int) -> list[SideRule]:
    sides = [pl.col(side) for side in ("a", "b")[:count]]
    found: list[SideRule] = [
        ("empty", [side.str.len_bytes() == 0 for side in sides]),
        ("too-short", [side.str.len_chars() < clean.min_chars for side in sides]),
        ("too-long", [side.str.len_chars() > clean.max_chars for side in sides]),
    ]
    if clean.placeholders:
        found.insert(0, ("missing-side", [side.is_in(clean.placeholders) for side in sides]))
    return found


def _letter_rules(clean: Clean, languages: tuple[str, ...]) -> Iterator[SideRule]:
    scripts = [None if language == UNKNOWN else script_class(language) for language in languages]
    doubtful = [_doubtful(pl.col(side), script, clean) for side, script in zip(("a", "b"), scripts, strict=False)]
    if clean.min_letters:
        yield "letters", [letter_share(text) < clean.min_letters for text in doubtful]
    if clean.min_script and any(scripts):
        never = pl.lit(False)
        yield (
            "script",
            [
                never if script is None else script_share(text, script) < clean.min_script
                for text, script in zip(doubtful, scripts, strict=True)
            ],
        )


def _doubtful(text: pl.Expr, script: str | None, clean: Clean) -> pl.Expr:
    """The text, or null where letters of its script alone satisfy both rules about letters.

    That is nearly all text, and one count instead of three.
    """
    if script is None:
        return text
    enough = max(clean.min_letters, clean.min_script) * solid_chars(text)
    return pl.when(text.str.count_matches(script) < enough).then(text)


def pair_rules(clean: Clean, languages: tuple[str, ...]) -> Iterator[Rule]:
    """Those of the rules that compare the two sides; the others are of each side by itself."""
    if clean.copies:
        yield "copy", pl.col("na") == pl.col("nb")
    limit = clean.length_ratios.get("-".join(languages), clean.max_length_ratio)
    if limit:
        yield "length-ratio", length_ratio(clean.length_unit) > limit
    if clean.urls:
        yield "urls", pl.col("a").str.count_matches(URL) != pl.col("b").str.count_matches(URL)
    if clean.min_number_overlap:
        yield "numbers", number_overlap() < clean.min_number_overlap


def first_broken(found: list[Rule]) -> pl.Expr:
    """The name of the first rule that a row breaks; null if it breaks none."""
    return pl.coalesce([pl.lit(None, pl.String), *(pl.when(broken).then(pl.lit(name)) for name, broken in found)])


def broken_rules(texts: Sequence[pl.Series], clean: Clean, found: list[Rule]) -> pl.Series:
    """The first rule that each text, or each pair of texts, breaks once it is clean; null if it breaks none [n].

    Texts come as they were read: a series [n] of side a and, for pairs, one of side b.
    """
    if not found:
        return pl.Series("rule", [None], dtype=pl.String).new_from_index(0, len(texts[0]))
    sides = ["a", "b"][: len(texts)]
    frame = pl.DataFrame(dict(zip(sides, texts, strict=True)), schema=dict.fromkeys(sides, pl.String)).lazy()
    cleaned = [clean_text(pl.col(side), clean.normalization, clean.control_characters).alias(side) for side in sides]
    normal = [normal_form(pl.col(side)).alias(f"n{side}") for side in sides]
    # What the rules don't look at is not computed: Polars leaves it out.
    return frame.with_columns(cleaned).with_columns(normal).select(first_broken(found).alias("rule")).collect()["rule"]


def without_rules(clean: Clean, names: Iterable[str]) -> Clean:
    """The same rules but for some, which are switched off.

    >>> without_rules(Clean(), ["copy", "numbers"]).copies
    False
    """
    off = {key: value for name in names for key, value in OFF[name].items()}
    return clean.model_copy(update=off)


def length_ratio(unit: Literal["bytes", "characters"] = "bytes") -> pl.Expr:
    """The longer side over the shorter, in UTF-8 bytes or characters."""
    if unit == "bytes":
        a, b = pl.col("a").str.len_bytes(), pl.col("b").str.len_bytes()
    else:
        a, b = pl.col("a").str.len_chars(), pl.col("b").str.len_chars()
    return pl.max_horizontal(a, b) / pl.min_horizontal(a, b)


def letter_share(text: pl.Expr) -> pl.Expr:
    """Letters (Unicode's Alphabetic) among the characters that aren't spaces, 0-1; 0 for empty text."""
    return text.str.count_matches(LETTER) / pl.max_horizontal(solid_chars(text), pl.lit(1))


def solid_chars(text: pl.Expr) -> pl.Expr:
    """The characters of clean text that aren't spaces."""
    return text.str.len_chars() - text.str.count_matches(" ", literal=True)


def script_share(text: pl.Expr, script: str) -> pl.Expr:
    """Letters of a script (see `script_class`) among all letters, 0-1; 1 where there are no letters."""
    letters = text.str.count_matches(LETTER)
    return pl.when(letters == 0).then(1.0).otherwise(text.str.count_matches(script) / letters)


def number_overlap() -> pl.Expr:
    """How much of the two sides' numbers is the same: the Dice coefficient of the sets of digit groups, 0-1.

    Full-width digits are plain, and 1,000 and 1.000 and 1 000 are 1000. 1 where there are fewer than two numbers in both
    sides together: "two" and "2" may translate each other.
    """
    a, b = (_numbers(pl.col(side)) for side in ("a", "b"))
    total = a.list.len() + b.list.len()
    shared = a.list.set_intersection(b).list.len()
    return pl.when(total < 2).then(1.0).otherwise(2 * shared / total)


def _numbers(text: pl.Expr) -> pl.Expr:
    # Text without digits is left out first: it is most of the text, and the rest costs.
    plain = pl.when(text.str.contains(r"\d")).then(text).otherwise(pl.lit("")).str.normalize("NFKC")
    for _ in range(2):  # groups of three overlap, and there is no looking ahead: 1,000,000 takes two rounds
        plain = plain.str.replace_all(THOUSANDS, "$1$2")
    return plain.str.extract_all(NUMBER).list.unique()


def _any(parts: Iterable[pl.Expr]) -> pl.Expr:
    # A side that isn't doubtful is null: it breaks nothing.
    return pl.any_horizontal(part.fill_null(False) for part in parts)
