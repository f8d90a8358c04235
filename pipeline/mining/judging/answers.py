"""What judges answered: the JSON files that the judging page saves, read as if they came from anywhere.

A file names the pairs that it is about by their SHA-256, and the sample by its size, seed and decision, from which the same
sample is drawn again: answers for other pairs, or about pairs that were not asked, are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.console.errors import InputError, UserError

Answer = Literal["translation", "partly", "no"]
LABELS: tuple[Answer, ...] = ("translation", "partly", "no")
MOST_BYTES = 64 << 20


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SampleDesign(_Strict):
    """How a sample was drawn from a file of pairs.

    Attributes:
        pairs: the name of the file of pairs, for messages.
        sha256: the file's digest.
        set: the set of the file that was judged (``mine``, ``test``), or none for a file without sets.
        size: how many pairs were asked for.
        seed: the seed of the draw.
        decision: the score near which more was drawn.
    """

    pairs: str
    sha256: str
    set: str | None
    size: int = Field(ge=1)
    seed: int = Field(ge=0)
    decision: float | None


class Judgements(_Strict):
    """One judge's answers.

    Attributes:
        softalign: what the file is.
        version: the version of its form.
        sample: the sample that was asked about.
        judge: the judge's name, as given on the page.
        answers: the answer to each row of the file of pairs that was answered.
    """

    softalign: Literal["judgements"]
    version: Literal[1]
    sample: SampleDesign
    judge: str = Field(min_length=1, max_length=200)
    answers: dict[str, Answer]


def read_judgements(path: Path) -> Judgements:
    """Read one file of answers.

    Raises:
        InputError: if it is no file of answers, or was changed to something that is none; names the key.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(path, f"has {path.stat().st_size:,} bytes; expected the answers of one judge")
        raw = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
        return Judgements.model_validate(raw)
    except FileNotFoundError:
        raise InputError(path, "no such file; expected the answers that the judging page saved") from None
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = ".".join(map(str, problem["loc"])) or "top level"
        raise InputError(path, f"{key}: found {str(problem['input'])[:80]!r}; {problem['msg'].lower()}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"not the JSON that the judging page saves ({str(error)[:200]})") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose keys stand once: of two answers to one pair JSON would keep the last, without a word."""
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:80]!r} stands twice")
        found[key] = value
    return found


@dataclass(frozen=True)
class Verdicts:
    """What all judges together say.

    Attributes:
        value: how right each answered row is: the mean over judges of 1 (right) and 0.
        judges: the answers of each judge, by row.
        repeated: files that say what another file of the same judge says.
    """

    value: dict[int, float]
    judges: dict[str, dict[int, Answer]]
    repeated: list[Path]

    def kappas(self) -> dict[tuple[str, str], tuple[float, int]]:
        """Cohen's κ of every two judges, and how many pairs both answered."""
        found = {}
        for one, other in combinations(sorted(self.judges), 2):
            both = sorted(self.judges[one].keys() & self.judges[other].keys())
            first, second = ([self.judges[name][row] for row in both] for name in (one, other))
            found[one, other] = cohen_kappa(first, second), len(both)
        return found


def join_judgements(files: Mapping[Path, Judgements], asked: set[int], right: frozenset[Answer]) -> Verdicts:
    """The answers of several files as one.

    Args:
        files: what each file holds.
        asked: the rows of the sample.
        right: the answers that count as right.

    Raises:
        InputError: if a file answers a row that was not asked, or one judge answers one pair in two ways.
        UserError: if nothing was answered.
    """
    judges: dict[str, dict[int, Answer]] = {}
    repeated = []
    for path, found in files.items():
        own = {_row(path, key): answer for key, answer in found.answers.items()}
        if strange := sorted(own.keys() - asked):
            raise InputError(path, f"answers row {strange[0]}, which was not asked; expected rows of its own sample")
        known = judges.setdefault(found.judge, {})
        if known and own.items() <= known.items():
            repeated.append(path)
        for row in sorted(own.keys() & known.keys()):
            if own[row] != known[row]:
                raise InputError(
                    path,
                    f"{found.judge} says {own[row]!r} of row {row}, and {known[row]!r} in another file; expected one "
                    "answer of a judge to a pair",
                )
        known.update(own)
    rows = sorted({row for answers in judges.values() for row in answers})
    if not rows:
        raise UserError(f"{', '.join(map(str, files))}: nothing is answered; expected some answers")
    value = {}
    for row in rows:
        said = [answers[row] in right for answers in judges.values() if row in answers]
        value[row] = sum(said) / len(said)
    return Verdicts(value, judges, repeated)


def _row(path: Path, key: str) -> int:
    if not (key.isascii() and key.isdigit() and str(int(key)) == key):
        raise InputError(path, f"answers.{key[:80]}: expected the number of a row")
    return int(key)


def cohen_kappa(first: Sequence[Answer], second: Sequence[Answer]) -> float:
    """Cohen's κ (1960) of two judges' answers [n]: agreement beyond chance; NaN without answers, 1 if all are alike.

    >>> cohen_kappa(["no", "no", "translation", "translation"], ["no", "translation", "translation", "translation"])
    0.5
    """
    if not first:
        return float("nan")
    number = len(first)
    agreed = sum(one == other for one, other in zip(first, second, strict=True)) / number
    chance = sum(first.count(label) * second.count(label) for label in LABELS) / number**2
    return 1.0 if chance == 1 else (agreed - chance) / (1 - chance)
