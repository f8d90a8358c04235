"""A student that finds no translations: told from one that has learned nothing yet, and from a dev set that says nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_project import run_to_neighborhoods, write_project

from pipeline.console.errors import UserError
from pipeline.training import chance, trainer
from pipeline.training.chance import AtChance, above_chance, find_at_chance, no_better_than_chance, refuse_chance
from pipeline.training.collapse import CosineSpread
from pipeline.training.dev import DevScore, DevSet
from stages import train
from stages.running.command import Project


def tail(hits: int, trials: int, share: float) -> float:
    return sum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(hits, trials + 1))


@pytest.mark.parametrize(
    ("hits", "trials", "share"), [(0, 10, 0.1), (3, 10, 0.1), (5, 90, 1 / 90), (10, 10, 0.5), (40, 300, 0.1)]
)
def test_the_binomial_tail(hits, trials, share):
    assert chance._at_least(hits, trials, share) == pytest.approx(tail(hits, trials, share), abs=1e-12)


@pytest.mark.parametrize(
    ("hits", "pairs", "above", "at_chance"),
    [
        (1, 90, False, True), (0, 50, False, True), (1, 2_000, False, True), (4, 2_000, False, True),
        (6, 90, True, False), (5, 2_000, True, False), (90, 90, True, False),
        # so few pairs that a student which works might have as little
        (0, 20, False, False), (1, 50, False, False), (0, 1, False, False),
    ],
)  # fmt: skip
def test_when_accuracy_is_at_chance(hits, pairs, above, at_chance):
    assert above_chance(hits / pairs, pairs) is above
    assert no_better_than_chance(hits / pairs, pairs) is at_chance


def test_the_best_of_many_looks_needs_more():
    assert above_chance(5 / 200, 200)
    assert not above_chance(5 / 200, 200, looks=6)
    assert no_better_than_chance(5 / 200, 200, looks=6)


def test_unaligned_vectors_are_seldom_taken_for_aligned():
    """The test keeps its level under the null hypothesis: 6 looks at 500 sets of random vectors."""
    rng = np.random.default_rng(7)
    false = 0
    for _ in range(500):
        best = 0.0
        for _ in range(6):
            cosine = rng.standard_normal((100, 100))
            hits = (cosine.argmax(0) == np.arange(100)).mean() + (cosine.argmax(1) == np.arange(100)).mean()
            best = max(best, hits / 2)
        false += above_chance(best, 100, looks=6)
    assert false <= 15


class Tokens:
    """Token folders whose selections are the rows themselves."""

    def select(self, rows):
        return rows


def parts(*names: str, dev: int = 100, pairs: int = 5_000):
    rows = np.arange(pairs)
    training = [
        SimpleNamespace(name=name, rows_a=rows, rows_b=rows, tokens_a=Tokens(), tokens_b=Tokens()) for name in names
    ]
    return [DevSet(name, np.arange(dev), np.arange(dev)) for name in names], training


def at(accuracy: float, above: float, pairs: int) -> DevScore:
    """A score whose pairs stand so many standard errors above all others."""
    return DevScore(accuracy, CosineSpread(0.1 + above * 0.05 / math.sqrt(pairs), 0.1, 0.05))


def found(dev_accuracy: dict[str, float], trained: float = 0.9, known: float = 50.0, hint: float = 0.0, **sizes):
    dev, training = parts(*dev_accuracy, **sizes)
    asked: list[list[int]] = []

    def score(sets):
        asked.append([len(part.a) for part in sets])
        accuracy, above = ((0.0, hint), (trained, known))[len(asked) - 1]
        return {part.name: at(accuracy, above, len(part.a)) for part in sets}

    return find_at_chance(dev, dev_accuracy, 1, training, score), asked


def test_a_student_that_knows_its_training_pairs_only_stops_the_run():
    at_chance, asked = found({"en-fr": 0.01})
    assert at_chance == [AtChance("en-fr", 0.01, 100, 0.9, learned=True)]
    assert asked == [[100], [100]]
    with pytest.raises(
        UserError,
        match=r"no better than chance: are the files aligned, .*\? en-fr: dev accuracy 1\.0% of 100",
    ):
        refuse_chance(at_chance, 1, 600)


@pytest.mark.parametrize(("known", "hint"), [(0.0, 0.0), (5.0, 0.0), (-3.0, 0.0), (50.0, 3.0), (7.0, 5.0)])
def test_a_student_that_has_learned_little_is_not_blamed_on_the_files(known, hint):
    """Neither one that knows nothing of its training pairs, nor one that knows something of the dev pairs as well."""
    at_chance, _ = found({"en-fr": 0.01}, known=known, hint=hint)
    (note,) = refuse_chance(at_chance, 1, 5)
    assert note.endswith(
        "are the files aligned, line by line? If they are, 5 steps at this train.learning_rate are too few"
    )


def test_one_pair_of_several_is_named_and_stops_nothing():
    at_chance, _ = found({"en-fr": 0.01, "en-ko": 0.6})
    (note,) = refuse_chance(at_chance, 2, 600)
    assert note == (
        "en-fr: dev accuracy 1.0% of 100 pairs is no better than chance (1.0%, training pairs 90.0%): "
        "are the files aligned, line by line?"
    )


def test_nothing_more_is_embedded_where_all_is_well():
    assert found({"en-fr": 0.6, "en-ko": 0.2}) == ([], [])


def test_training_ends_with_the_question(tmp_path: Path, tiny_teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_project(tmp_path, tiny_teacher, pairs=200, train={"steps": 4, "batch_size": 32, "eval_every": 2})
    run_to_neighborhoods(root)
    project = Project.open(root)
    looked = []

    def at_chance(dev, accuracies, looks, pairs, score):
        looked.append((accuracies.keys(), looks, sorted(score(dev)), [part.name for part in pairs]))
        return [AtChance("en-fr", 0.01, 100, 0.9, learned=len(looked) < 3)]

    monkeypatch.setattr(trainer, "find_at_chance", at_chance)
    for _ in range(2):  # a second run, which finds the training ended, says the same
        with pytest.raises(UserError, match="no better than chance: are the files aligned"):
            train.run(project)
        assert not project.layout.student.exists()
    assert looked[0] == looked[1] == ({"en-fr"}, 2, ["en-fr"], ["en-fr"])
    train.run(project)
    notes = json.loads((project.layout.metrics / "train.json").read_text())["notes"]
    assert [note.partition(":")[0] for note in notes] == ["en-fr"]
    assert project.layout.student.exists()
