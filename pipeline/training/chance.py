"""Whether a trained student finds translations at all, or no more of them than chance: files that aren't aligned, as a rule.

Of n dev pairs whose lines don't belong together, retrieval among n candidates finds one of each direction on average, however
good the student; the number is about Poisson's with mean 1. A student is called no better than chance only where both hold:

- its hits are no more than chance gives (binomial test at `LEVEL`, divided by the number of evaluations that the best one was
  chosen from), and
- a student that finds `WORKING` of its pairs would have had more (the same test): a small dev set says nothing.

A student that has learned nothing yet is at chance too, whatever the files. So training ends in an error only if the student
has come to know the pairs that it was trained on, and knows nothing of those of the dev set: it has learned by heart what
can't be understood. What it knows is measured more finely than by retrieval, by how far the cosines of pairs stand above
those of sentences that are no pair, in standard errors: `KNOWN` of the training pairs, not even `HINT` of as many dev pairs.
A student that learns slowly, from files that are aligned, moves both alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.console.errors import UserError
from pipeline.training.data import TrainingPairs
from pipeline.training.dev import DevScore, DevSet

LEVEL = 0.01
WORKING = 0.1
"""Accuracy that a student which works exceeds by far: a bag of words after a hundred steps has several times as much."""

KNOWN = 6.0
HINT = 2.33
"""One in a hundred of unaligned dev sets is further above its other cosines than this."""


@dataclass(frozen=True)
class AtChance:
    """A language pair whose dev pairs the student finds no better than chance would."""

    name: str  # the language pair's name (``en-fr``)
    accuracy: float  # the accuracy on the dev pairs, the mean of both directions
    pairs: int  # how many dev pairs there are
    trained: float | None  # the accuracy among as many training pairs; None without any
    learned: bool  # whether the student knows the training pairs, and nothing of the dev pairs

    def __str__(self) -> str:
        """For a person to read."""
        found = f"{self.name}: dev accuracy {self.accuracy:.1%} of {self.pairs:,} pairs is no better than chance"
        trained = "" if self.trained is None else f", training pairs {self.trained:.1%}"
        return f"{found} ({1 / self.pairs:.1%}{trained})"


def above_chance(accuracy: float, pairs: int, looks: int = 1) -> bool:
    """Whether retrieval finds more of n aligned pairs than it would of pairs that don't belong together.

    The pairs are the candidates too; the accuracy is the mean of both directions, the best of ``looks`` evaluations.

    >>> above_chance(1 / 90, 90), above_chance(5 / 90, 90), above_chance(5 / 90, 90, looks=6)
    (False, True, False)
    """
    hits = math.ceil(accuracy * pairs - 1e-9)
    return looks * _at_least(hits, pairs, 1 / pairs) < LEVEL


def no_better_than_chance(accuracy: float, pairs: int, looks: int = 1) -> bool:
    """Whether it is sure enough that a student doesn't find translations; arguments as in `above_chance`.

    >>> no_better_than_chance(1 / 90, 90), no_better_than_chance(1 / 20, 20), no_better_than_chance(0.3, 90)
    (True, False, False)
    """
    if pairs < 2 or above_chance(accuracy, pairs, looks):
        return False
    hits = math.ceil(accuracy * pairs - 1e-9)
    return 1 - _at_least(hits + 1, pairs, WORKING) <= LEVEL


def _at_least(hits: int, trials: int, share: float) -> float:
    """The probability of so many hits or more: the binomial's upper tail."""
    counts = np.arange(min(max(hits, 0), trials + 1))
    logs = [
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        + k * math.log(share) + (trials - k) * math.log1p(-share)
        for k in counts.tolist()
    ]  # fmt: skip
    return float(min(max(1 - math.fsum(map(math.exp, logs)), 0.0), 1.0))


def find_at_chance(
    dev: Sequence[DevSet],
    accuracies: Mapping[str, float],
    looks: int,
    pairs: Sequence[TrainingPairs],
    score: Callable[[Sequence[DevSet]], Mapping[str, DevScore]],
) -> list[AtChance]:
    """The language pairs whose dev pairs the student doesn't find, by the best of ``looks`` evaluations.

    What the student knows of its training pairs is seen by scoring as many of them as there are dev pairs.
    """
    suspects = {part.name: part for part in dev if no_better_than_chance(accuracies[part.name], len(part.a), looks)}
    if not suspects:
        return []
    known = [part for part in pairs if part.name in suspects and len(part.rows_a)]
    on_dev = score(list(suspects.values()))
    on_training = score([_sample(part, len(suspects[part.name].a)) for part in known])
    found = []
    for name, part in suspects.items():
        trained, size = on_training.get(name), len(part.a)
        learned = trained is not None and _apart(trained, size) >= KNOWN and _apart(on_dev[name], size) < HINT
        share = None if trained is None else trained.accuracy
        found.append(AtChance(name, accuracies[name], size, share, learned))
    return found


def _sample(part: TrainingPairs, count: int) -> DevSet:
    """As many training pairs as there are dev pairs, evenly over all: their keys are hashes, so at random."""
    rows = np.linspace(0, len(part.rows_a), min(count, len(part.rows_a)), endpoint=False).astype(np.int64)
    return DevSet(part.name, part.tokens_a.select(part.rows_a[rows]), part.tokens_b.select(part.rows_b[rows]))


def _apart(score: DevScore, pairs: int) -> float:
    """How far the cosines of pairs stand above all others, in standard errors of their mean; 0 where that isn't known."""
    found = score.spread
    if found is None or found.deviation <= 0:
        return 0.0
    return (found.translations - found.others) / found.deviation * math.sqrt(pairs)


def refuse_chance(found: Sequence[AtChance], parts: int, steps: int) -> list[str]:
    """Stop where no language pair's translations are found although its training pairs are; else say what there is to say.

    Of ``parts`` language pairs with a dev set, ``found`` are at chance after ``steps``; returns a line for each of these.

    Raises:
        UserError: asking whether the files are aligned.
    """
    cure = "are the files aligned, line by line?"
    if len(found) == parts and any(pair.learned for pair in found):
        what = "; ".join(str(pair) for pair in found[:3])
        raise UserError(
            f"train: no better than chance: {cure} {what}. The student has come to know its training pairs, and what it "
            "learned of them helps with no other"
        )
    slow = f" If they are, {steps:,} steps at this train.learning_rate are too few"
    return [f"{pair}: {cure}" + ("" if pair.learned else slow) for pair in found]
