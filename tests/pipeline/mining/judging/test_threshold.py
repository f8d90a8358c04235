import math

import mining_reference as reference
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mining.judging.threshold import GoldError, Interval, bootstrap, evaluate, tune

candidate = st.tuples(st.integers(0, 8), st.booleans())


def test_by_hand():
    scores = np.array([1.2, 1.5, 1.1, 1.4, 0.9])
    gold = np.array([True, True, False, False, True])
    tuned = tune(scores, gold, 3)
    assert tuned.value == 0.9  # all five: 3 of 5 right, F1 6/8; nothing below, so the last score itself
    assert (tuned.quality.precision, tuned.quality.recall, tuned.quality.f1) == (0.6, 1.0, 0.75)
    assert tune(scores, gold, 30).quality.extracted == 5
    cut = tune(scores, np.array([True, True, False, True, False]), 3)
    assert cut.value == pytest.approx(1.15)
    assert evaluate(scores, gold, 3, cut.value).correct == 2


def test_the_last_candidate_is_the_best_cut():
    """LASER's loop reads one past the end here."""
    assert tune(np.array([2.0, 1.0]), np.array([True, True]), 2).value == 1.0


@given(st.lists(candidate, max_size=30), st.integers(0, 5))
def test_as_the_reference(candidates, missed):
    scores, gold = np.array([c[0] / 4 for c in candidates]), np.array([c[1] for c in candidates], bool)
    total = int(gold.sum()) + missed
    if total == 0:
        return
    tuned = tune(scores, gold, total)
    f1, value = reference.tune(scores.tolist(), gold.tolist(), total)
    assert tuned.quality.f1 == pytest.approx(f1)
    assert tuned.value == value
    assert evaluate(scores, gold, total, tuned.value) == tuned.quality


@given(st.lists(candidate, min_size=1, max_size=30), st.randoms())
def test_the_order_does_not_matter(candidates, random):
    shuffled = list(candidates)
    random.shuffle(shuffled)
    values = [
        tune(np.array([c[0] for c in order], float), np.array([c[1] for c in order]), 40).value
        for order in (candidates, shuffled)
    ]
    assert values[0] == values[1]


def test_neighbouring_numbers_still_part():
    lower = 1.0
    upper = float(np.nextafter(lower, 2))
    tuned = tune(np.array([upper, lower]), np.array([True, False]), 1)
    assert lower < tuned.value <= upper
    assert tune(np.array([1.0, -np.inf]), np.array([True, False]), 1).value == 1.0


def test_nothing_right_accepts_nothing():
    for scores, gold in [([], []), ([1.0], [False])]:
        tuned = tune(np.array(scores, float), np.array(gold, bool), 5)
        assert tuned.value == math.inf
        assert (tuned.quality.precision, tuned.quality.recall, tuned.quality.f1) == (0.0, 0.0, 0.0)


def test_gold_that_nothing_can_be_tuned_on():
    with pytest.raises(GoldError, match="no gold pairs"):
        tune(np.array([1.0]), np.array([False]), 0)
    with pytest.raises(GoldError, match="2 candidates are gold, but only 1"):
        evaluate(np.array([1.0, 2.0]), np.array([True, True]), 1, 0.0)
    with pytest.raises(ValueError, match="score 1 is NaN"):
        tune(np.array([1.0, np.nan]), np.array([True, True]), 2)


def test_bootstrap_holds_the_estimate_and_is_seeded():
    generator = np.random.default_rng(0)
    gold = generator.random(2000) < 0.4
    scores = generator.normal(1.0, 0.1, 2000) + 0.3 * gold
    total = int(gold.sum()) + 50
    tuned = tune(scores, gold, total)
    intervals = bootstrap(scores, gold, total, 300, seed=1)
    assert intervals == bootstrap(scores, gold, total, 300, seed=1)
    assert intervals != bootstrap(scores, gold, total, 300, seed=2)
    assert intervals.threshold.low <= tuned.value <= intervals.threshold.high
    assert intervals.f1.low <= tuned.quality.f1 <= intervals.f1.high
    assert 0 < intervals.f1.high - intervals.f1.low < 0.1
    fixed = bootstrap(scores, gold, total, 300, seed=1, threshold=tuned.value)
    assert fixed.threshold == Interval(tuned.value, tuned.value)
    assert fixed.recall.low <= tuned.quality.recall <= fixed.recall.high


def test_bootstrap_of_a_perfect_set_has_no_width():
    intervals = bootstrap(np.array([2.0, 2.0, 1.0]), np.array([True, True, False]), 2, 200, seed=0, threshold=1.5)
    assert intervals.precision == intervals.recall == Interval(1.0, 1.0)
