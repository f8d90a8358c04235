"""Held-out test sentences that several languages share: directly, or through the language that most pairs have (English)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path

import numpy as np

from pipeline.artifacts.pairs import HeldOutFolder
from pipeline.ground.hashing import KEY_BYTES, Keys
from pipeline.ground.languages import LanguagePair


class SharedSentences:
    """Translations among held-out test sentences; 32 bytes a pair in memory.

    Attributes:
        languages: languages that have any, the pivot first.
        pivot: the language of most pairs; of equals, the first.
    """

    def __init__(self, heldout: Path, pairs: Sequence[LanguagePair]) -> None:
        self._sides: dict[tuple[str, str], tuple[Keys, Keys]] = {}
        for pair in pairs:
            folder = HeldOutFolder(heldout / pair.name)
            rows = folder.rows("test")
            if len(rows):
                a, b = one_to_one(folder.a[rows], folder.b[rows])
                self._sides[pair.a, pair.b], self._sides[pair.b, pair.a] = (a, b), (b, a)
        counts = Counter(a for a, _ in self._sides)
        self.pivot = max(counts, key=lambda language: counts[language], default="")
        self.languages = list(dict.fromkeys([self.pivot, *counts])) if counts else []

    def pair(self, a: str, b: str) -> tuple[Keys, Keys] | None:
        """The sentences [n] of two languages that are translations, in an order that says nothing; None without any.

        Where the two have no pairs of their own, both sides of a pivot sentence count as translations.
        """
        if (a, b) in self._sides:
            return self._sides[a, b]
        found = self.through([a, b])
        return (found[a], found[b]) if len(found[a]) else None

    def through(self, languages: Sequence[str]) -> Mapping[str, Keys]:
        """Of each language the sentences [n] that translate the same pivot sentences, which all of them have."""
        others = [language for language in languages if language != self.pivot]
        sides = [self._sides[self.pivot, other] for other in others if (self.pivot, other) in self._sides]
        if not sides or len(sides) < len(others):
            return {language: np.empty(0, dtype=f"S{KEY_BYTES}") for language in languages}
        common: Keys = reduce(np.intersect1d, [of_pivot for of_pivot, _ in sides])
        chosen = {self.pivot: common}
        for language, (of_pivot, translations) in zip(others, sides, strict=True):
            order = np.argsort(of_pivot)
            chosen[language] = translations[order[np.searchsorted(of_pivot, common, sorter=order)]]
        return {language: chosen[language] for language in languages}


def one_to_one(a: Keys, b: Keys) -> tuple[Keys, Keys]:
    """Pairs [m] in which no sentence comes twice, by the order of ``a``: the first of each is kept."""
    _, first = np.unique(a, return_index=True)
    a, b = a[first], b[first]
    _, first = np.unique(b, return_index=True)
    kept = np.sort(first)
    return a[kept], b[kept]
