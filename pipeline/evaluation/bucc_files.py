"""Which of BUCC 2018's files are in a folder, and the sets in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.console.errors import InputError
from pipeline.evaluation.lines import choose_languages
from pipeline.mining.judging.bucc import BuccSet, read_set


def bucc_pairs(folder: Path, languages: Sequence[str] | None) -> list[tuple[Path, tuple[str, str], str, str]]:
    """Of each ``<a>-<b>.training.gold`` in the folder or below: its folder, the codes, and the languages they mean.

    Raises:
        InputError: if there is none.
    """
    found = []
    for gold in sorted(folder.rglob("*.training.gold")):
        a, _, b = gold.name.removesuffix(".training.gold").partition("-")
        named = choose_languages([a, b], languages)
        if a in named and b in named:
            found.append((gold.parent, (a, b), named[a], named[b]))
    if not found and not any(folder.rglob("*.training.gold")):
        raise InputError(folder, "no file here is named like fr-en.training.gold, as in BUCC 2018")
    return found


def with_gold(folder: Path, name: str, a: str, b: str) -> BuccSet:
    """A set with gold pairs.

    Args:
        folder: the folder of its files.
        name: ``training`` or ``test``.
        a: the first language's code in the files' names.
        b: the second's.

    Raises:
        InputError: if there are none.
    """
    found = read_set(folder / f"{a}-{b}.{name}", a, b)
    if found.gold is None:
        raise InputError(folder / f"{a}-{b}.{name}.gold", "no such file; expected the gold pairs of ids")
    if len(found.gold) == 0:
        raise InputError(folder / f"{a}-{b}.{name}.gold", "holds no pairs; expected `id TAB id` lines")
    return found
