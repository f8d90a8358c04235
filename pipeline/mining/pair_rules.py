"""The cleaning rules that mined pairs are held to: prepare's own (`pipeline.text.rules`), since such pairs are training text.

A rule about one side (letters, script, length) takes sentences before they are mined; one that compares the sides (numbers,
web addresses, lengths) takes pairs, and a sentence then proposes its next best candidate. Copies go further: they are no
neighbours at all (`pipeline.search.copies`). What counts as the same is what counts as a copy in training text: the normal
form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.config.prepare import Clean
from pipeline.ground.arrays import CHUNK, Rows
from pipeline.mining.row_texts import RowTexts
from pipeline.search.copies import Copies
from pipeline.text.normalize import clean_text, normal_form
from pipeline.text.rules import Rule, broken_rules, pair_rules, without_rules

FIRST, SECOND = 1, 2
"""Seeds of two hashes."""


@dataclass(frozen=True)
class MinedRules:
    """Which rules hold for a language pair.

    Attributes:
        clean: prepare's rules, without those that mined text is spared.
        languages: the languages of side a and side b.
    """

    clean: Clean
    languages: tuple[str, str]

    @classmethod
    def of(cls, clean: Clean, keep: Iterable[str], languages: tuple[str, str]) -> MinedRules:
        """The rules of prepare but for those that are named in ``keep``."""
        return cls(without_rules(clean, keep), languages)

    def between(self, a: RowTexts, b: RowTexts) -> PairRules:
        """The rules for pairs of two sides' texts; looks for copies, as `find_copies` says."""
        return PairRules(self, a, b, find_copies(a, b, self.clean) if self.clean.copies else None)

    @property
    def comparing(self) -> list[Rule]:
        """Those that compare the two sides, without copies, which no search finds."""
        return list(pair_rules(without_rules(self.clean, ["copy"]), self.languages))


@dataclass(frozen=True)
class PairRules:
    """The rules for pairs of rows.

    Attributes:
        rules: the rules that hold.
        a: side a's texts.
        b: side b's texts.
        copies: rows of both sides with the same text; None if there are none, or they may be paired.
    """

    rules: MinedRules
    a: RowTexts
    b: RowTexts
    copies: Copies | None

    def picked(self, rows_a: Rows, rows_b: Rows) -> PairRules:
        """The same for some rows of either side, in their order."""
        copies = None if self.copies is None else self.copies.picked(rows_a, rows_b)
        return PairRules(self.rules, self.a.picked(rows_a), self.b.picked(rows_b), copies)

    def of_pairs(self, row_a: Rows, row_b: Rows) -> pl.Series:
        """The rule that each given pair of rows breaks, which may be copies; null if it breaks none [p]."""
        found = self.broken(row_a, row_b)
        if self.copies is None:
            return found
        same = pl.Series(self.copies.met(row_a, row_b[:, None])[:, 0])
        return pl.select(pl.when(same).then(pl.lit("copy")).otherwise(found).alias("rule")).to_series()

    def broken(self, row_a: Rows, row_b: Rows) -> pl.Series:
        """The rule that each pair of rows breaks, copies not looked for; null if it breaks none [p]."""
        found, clean = self.rules.comparing, self.rules.clean
        parts = [pl.Series("rule", [], dtype=pl.String)]
        for start in range(0, len(row_a), CHUNK):
            part = slice(start, start + CHUNK)
            parts.append(broken_rules((self.a.read(row_a[part]), self.b.read(row_b[part])), clean, found))
        return pl.concat(parts)


def counted(found: pl.Series) -> dict[str, int]:
    """How often each rule is named [p]; nulls are none."""
    return dict(sorted(Counter(found.drop_nulls().to_list()).items()))


class Sieve:
    """Says which pairs break a rule, and counts them; see `pipeline.mining.retrieval.PairSieve`.

    Args:
        rules: the rules.
    """

    def __init__(self, rules: PairRules) -> None:
        self.rules = rules
        self.idle = not rules.rules.comparing
        self.broken: Counter[str] = Counter()

    def __call__(self, row_a: Rows, row_b: Rows) -> NDArray[np.bool_]:
        """Which pairs [p] break a rule [p]."""
        if self.idle:
            return np.zeros(len(row_a), np.bool_)
        found = self.rules.broken(row_a, row_b)
        self.broken.update(found.drop_nulls().to_list())
        broken: NDArray[np.bool_] = found.is_not_null().to_numpy()
        return broken


def find_copies(a: RowTexts, b: RowTexts, clean: Clean) -> Copies | None:
    """The copies of two sides; None if there are none.

    Holds 16 bytes a row of side a while they are looked for: a hash of 64 bits is compared first, and of rows that agree in
    that another. The hashes decide only what is equal; no output holds them.

    Args:
        a: side a's texts.
        b: side b's texts.
        clean: the settings by which texts are made clean.
    """
    # 1. Rows of side b whose first hash stands on side a.
    hashes = np.concatenate([np.empty(0, np.uint64), *(found for _, found in _hashes(a, clean, FIRST))])
    of_a, of_b = np.sort(hashes), [np.empty(0, np.int64)]
    for start, found in _hashes(b, clean, FIRST):
        of_b.append(np.flatnonzero(_is_in(found, of_a)) + start)
    rows_b = np.concatenate(of_b)
    if len(rows_b) == 0:
        return None
    # 2. Rows of side a whose first hash is one of these.
    also_b = np.sort(np.concatenate([found for _, found in _hashes(b.picked(rows_b), clean, FIRST)]))
    rows_a = np.concatenate(
        [np.flatnonzero(_is_in(hashes[at : at + CHUNK], also_b)) + at for at in range(0, len(a), CHUNK)]
    )
    # 3. Of both, the second hash as well; what agrees in both hashes is one group.
    keys = [
        np.stack(
            [
                np.concatenate([found for _, found in _hashes(side.picked(rows), clean, seed)])
                for seed in (FIRST, SECOND)
            ],
            axis=1,
        )
        for side, rows in ((a, rows_a), (b, rows_b))
    ]
    _, group = np.unique(np.concatenate(keys), axis=0, return_inverse=True)
    group_a, group_b = np.split(group.reshape(-1).astype(np.int64), [len(rows_a)])
    # 4. Groups that have rows on both sides.
    kept_a, kept_b = np.isin(group_a, group_b), np.isin(group_b, group_a)
    if not kept_a.any():
        return None
    # Numbers without gaps, since `Copies.counts` looks sizes up by them.
    _, numbers = np.unique(np.concatenate([group_a[kept_a], group_b[kept_b]]), return_inverse=True)
    group_a, group_b = np.split(numbers.astype(np.int64), [int(kept_a.sum())])
    return Copies(rows_a[kept_a], group_a, rows_b[kept_b], group_b)


def _hashes(texts: RowTexts, clean: Clean, seed: int) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Hashes of the normal forms, a chunk at a time, and where each chunk begins."""
    form, control = clean.normalization, clean.control_characters
    normal = normal_form(clean_text(pl.col("text"), form, control)).hash(seed)
    for start in range(0, len(texts), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(texts)))
        frame = texts.read(rows).alias("text").to_frame()
        yield start, frame.select(normal).to_series().to_numpy()


def _is_in(values: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which values [n] are among those wanted, which are sorted."""
    if len(wanted) == 0:
        return np.zeros(len(values), np.bool_)
    place = np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)
    found: NDArray[np.bool_] = wanted[place] == values
    return found
