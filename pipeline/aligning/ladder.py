"""Ladders: alignments as lists of sentence numbers, ``[3, 4]:[5]``, as Vecalign and Bleualign write them; and their quality.

Numbers count from 0. An empty list is a sentence without a counterpart. A third field, if there is one, is Vecalign's cost:
the lower the better, 0 where a list is empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.console.errors import InputError
from pipeline.ground.atomic import write_text

Rung = tuple[tuple[int, ...], tuple[int, ...]]
"""An alignment: the sentences of both sides."""

_RUNG = re.compile(r"\s*\[([0-9,\s]*)\]\s*:\s*\[([0-9,\s]*)\]\s*(?::.*)?")
_NUMBERS = re.compile(r"\s*(?:[0-9]+\s*(?:,\s*[0-9]+\s*)*,?\s*)?")


def read_ladder(path: Path) -> list[Rung]:
    """The alignments of a ladder file.

    Raises:
        InputError: for a missing file, or a line of another form.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"can't be read as text ({error})") from None
    rungs = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            found = _RUNG.fullmatch(line)
            if found is None or not all(_NUMBERS.fullmatch(part) for part in found.groups()):
                raise InputError(path, f"found {line[:60]!r}; expected lists of numbers like [3, 4]:[5]", number)
            a, b = (tuple(int(value) for value in re.findall("[0-9]+", part)) for part in found.groups())
            rungs.append((a, b))
    return rungs


def write_ladder(path: Path, rungs: Iterable[Rung], costs: Iterable[float]) -> None:
    """Write alignments with Vecalign's cost of each (NaN: no cost; 0 is written, as Vecalign does)."""
    lines = [
        f"{list(a)}:{list(b)}:{0.0 if cost != cost else cost:.6f}\n" for (a, b), cost in zip(rungs, costs, strict=True)
    ]
    write_text(path, "".join(lines))


@dataclass(frozen=True)
class LadderQuality:
    """Precision and recall of alignments, by two measures (Sennrich and Volk, 2011).

    *Strict*: an alignment is right if it stands in the other ladder. *Lax*: it is right if any of its sentences are aligned
    with each other there. Precision counts all alignments found but those that leave a sentence out are only right strictly;
    recall counts gold alignments of sentences of both sides.
    """

    strict_precision: float
    strict_recall: float
    lax_precision: float
    lax_recall: float

    @property
    def strict_f1(self) -> float:
        """The harmonic mean of strict precision and recall."""
        return _harmonic(self.strict_precision, self.strict_recall)

    @property
    def lax_f1(self) -> float:
        """The harmonic mean of lax precision and recall."""
        return _harmonic(self.lax_precision, self.lax_recall)


def ladder_quality(found: Sequence[Rung], gold: Sequence[Rung]) -> LadderQuality:
    """The quality of alignments against gold ones; an alignment that stands there twice counts once."""
    strict_precision, lax_precision = _right(found, gold)
    strict_recall, lax_recall = _right(_paired(gold), _paired(found))
    return LadderQuality(strict_precision, strict_recall, lax_precision, lax_recall)


def _paired(rungs: Sequence[Rung]) -> list[Rung]:
    return [(a, b) for a, b in rungs if a and b]


def _right(claimed: Sequence[Rung], truth: Sequence[Rung]) -> tuple[float, float]:
    """The shares of claimed alignments that are right strictly, and laxly."""
    known = set(truth)
    links = {(i, j) for a, b in known for i in a for j in b}
    claims = {rung for rung in claimed if rung[0] or rung[1]}
    if not claims:
        return 0.0, 0.0
    strict = sum(rung in known for rung in claims)
    lax = sum(rung in known or any((i, j) in links for i in rung[0] for j in rung[1]) for rung in claims)
    return strict / len(claims), lax / len(claims)


def _harmonic(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other else 0.0
