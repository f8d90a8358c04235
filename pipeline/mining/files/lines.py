"""What the texts of a bitext's lines say by themselves: which rule each breaks, and which are the same or exchanged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.ground.arrays import CHUNK
from pipeline.mining.files.text import OwnText
from pipeline.mining.pair_rules import MinedRules
from pipeline.mining.row_texts import RowTexts
from pipeline.text.normalize import clean_text, normal_form
from pipeline.text.rules import UNKNOWN, broken_rules, rules, script_share
from pipeline.text.scripts import script_class

MOSTLY = 0.5
"""The share of a side's letters that has to be of the other language's script, and not of its own, to look exchanged."""


@dataclass(frozen=True)
class Lines:
    """What is known of lines.

    Attributes:
        rule: the rule that each line breaks, as prepare would name it; null if it breaks none [p].
        same: lines with the same text on both sides (the same normal form).
        exchanged: lines whose sides look exchanged by their scripts; None where both languages are written in the same, or
            one is not known.
    """

    rule: pl.Series
    same: int
    exchanged: int | None


def lines_of(a: OwnText, b: OwnText, of_pair: MinedRules) -> Lines:
    """Look at each line's texts; holds 65,536 lines at a time.

    Args:
        a: side a, line by line.
        b: side b.
        of_pair: the rules.
    """
    clean, found = of_pair.clean, rules(of_pair.clean, of_pair.languages)
    every = np.arange(len(a))
    sides = [RowTexts.of_table(side.table, every) for side in (a, b)]
    other_way = _exchanged(*of_pair.languages)
    broken, same, exchanged = [pl.Series("rule", [], dtype=pl.String)], 0, 0
    for start in range(0, len(a), CHUNK):
        texts = [side.read(every[start : start + CHUNK]) for side in sides]
        broken.append(broken_rules(texts, clean, found))
        cleaned = [clean_text(pl.col(side), clean.normalization, clean.control_characters).alias(side) for side in "ab"]
        equal = (pl.col("a") != "") & (normal_form(pl.col("a")) == normal_form(pl.col("b")))
        counts = [equal.sum().alias("same"), pl.lit(0).alias("exchanged") if other_way is None else other_way.sum()]
        counted = (
            pl.DataFrame(dict(zip("ab", texts, strict=True))).lazy().with_columns(cleaned).select(counts).collect()
        )
        same += counted["same"].item()
        exchanged += counted["exchanged"].item()
    return Lines(pl.concat(broken), same, None if other_way is None else exchanged)


def _exchanged(one: str, other: str) -> pl.Expr | None:
    scripts = [None if language == UNKNOWN else script_class(language) for language in (one, other)]
    if scripts[0] is None or scripts[1] is None or scripts[0] == scripts[1]:
        return None
    parts = []
    for side, own, others in (("a", scripts[0], scripts[1]), ("b", scripts[1], scripts[0])):
        letters = pl.col(side).str.contains(r"\p{Alphabetic}")
        theirs = script_share(pl.col(side), others) >= MOSTLY
        parts += [letters, theirs, script_share(pl.col(side), own) < MOSTLY]
    return pl.all_horizontal(parts).alias("exchanged")
