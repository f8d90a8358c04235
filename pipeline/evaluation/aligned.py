"""Benchmarks of the same sentences in many languages."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from pipeline.evaluation.benchmark import Bitext
from pipeline.evaluation.lines import choose_languages, read_lines, same_length


def all_pairs(found: dict[str, Path], languages: Sequence[str] | None) -> list[Bitext]:
    """Every two of some files of the same sentences, a language each.

    Args:
        found: the file of each language's code.
        languages: only those; all if None.

    Raises:
        InputError: if they differ in length.
    """
    texts = {language: (found[code], read_lines(found[code]))
             for code, language in choose_languages(found, languages).items()}  # fmt: skip
    if len(texts) > 1:
        same_length(list(texts.values()))
    order = [language for language in languages or sorted(texts) if language in texts]
    return [Bitext(f"{a}-{b}", a, b, "lines", texts[a][1], texts[b][1], xsim=True) for a, b in combinations(order, 2)]
