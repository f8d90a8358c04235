import numpy as np
import pytest

from pipeline.mining.judging.precision import Curve, precision_curve, wilson
from pipeline.mining.judging.strata import Stratum, draw

JUDGINGS = 200


def mined(shift: float, pairs: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and which pairs are right: the better the score, the more often."""
    generator = np.random.default_rng(7)
    scores = generator.normal(1.1, 0.1, pairs)
    return scores, generator.random(pairs) < 1 / (1 + np.exp(-(scores - 1.1) * 20 - shift))


def judged(scores: np.ndarray, right: np.ndarray, seed: int, asked: int = 200) -> Curve:
    strata = draw(scores, asked, seed, decision=1.05)
    answers = {int(row): float(right[row]) for one in strata for row in one.drawn}
    return precision_curve(scores, strata, answers, seed, steps=20)


@pytest.mark.parametrize(("shift", "about"), [(0.3, 0.55), (1.5, 0.72), (3.5, 0.9)])
def test_intervals_cover_the_truth_and_no_chosen_threshold_promises_too_much(shift: float, about: float):
    scores, right = mined(shift)
    assert right.mean() == pytest.approx(about, abs=0.03)
    covered, wrong = [], 0
    for seed in range(JUDGINGS):
        curve = judged(scores, right, seed)
        truth = np.array([right[scores >= threshold].mean() for threshold in curve.threshold])
        covered.append(np.mean((curve.low <= truth) & (truth <= curve.high)))
        wrong += bool((curve.bound > truth).any())
    assert np.mean(covered) >= 0.93
    # The bound holds at all thresholds together in 95 of 100 judgings; three standard errors of 200 beside it.
    assert wrong / JUDGINGS <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / JUDGINGS)


def test_the_estimate_weighs_answers_by_what_they_stand_for():
    # Two strata: 900 pairs of which 2 of 3 answered are right, 100 of which 1 of 2 is.
    scores = np.concatenate([np.linspace(2, 1.5, 100), np.linspace(1.4, 1, 900)])
    strata = [
        Stratum(np.arange(100), np.array([50, 99])),
        Stratum(np.arange(100, 1000), np.array([200, 500, 999])),
    ]
    curve = precision_curve(scores, strata, {50: 1.0, 99: 0.0, 200: 1.0, 500: 1.0, 999: 0.0}, seed=0)
    assert curve.kept.tolist() == [51, 100, 201, 501, 1000]
    assert curve.answered.tolist() == [1, 2, 3, 4, 5]
    # At the third: 100 pairs at 1/2, 101 at 1; at the last: 100 at 1/2, 900 at 2/3.
    np.testing.assert_allclose(curve.precision, [1, 0.5, (50 + 101) / 201, (50 + 401) / 501, (50 + 600) / 1000])
    assert (curve.low <= curve.precision).all()
    assert (curve.bound <= curve.precision).all()


def test_the_lowest_threshold_whose_bound_reaches_the_precision_is_chosen():
    ones = np.ones(4)
    curve = Curve(
        threshold=np.array([1.4, 1.3, 1.2, 1.1]),
        kept=np.array([10, 20, 30, 40]),
        answered=np.array([5, 6, 7, 8]),
        precision=ones,
        low=ones,
        high=ones,
        bound=np.array([0.90, 0.97, 0.96, 0.80]),
    )
    assert curve.choose(0.95) == 2
    assert curve.choose(0.97) == 1
    assert curve.choose(0.98) is None
    assert curve.more_for_half(2) == 21


def test_no_error_among_few_answers_promises_little():
    scores, right = mined(3.5)
    curve = judged(scores, np.ones_like(right), 0, asked=30)
    assert curve.precision[-1] == 1.0
    assert curve.bound[-1] < 0.95
    many = judged(scores, np.ones_like(right), 0, asked=400)
    assert curve.bound[-1] < many.bound[-1] < 1.0


def test_a_judge_who_stopped_in_the_middle_widens_the_interval_and_moves_nothing():
    scores, right = mined(1.5)
    strata = draw(scores, 200, 3)
    rows = np.random.default_rng(0).permutation(np.concatenate([one.drawn for one in strata]))
    curves = [
        precision_curve(scores, strata, {int(row): float(right[row]) for row in rows[:count]}, 0) for count in (60, 200)
    ]
    assert curves[0].high[-1] - curves[0].low[-1] > curves[1].high[-1] - curves[1].low[-1]
    assert curves[0].kept[-1] > 0.9 * len(scores)


def test_strata_without_answers_are_joined_to_their_neighbours():
    scores = np.linspace(2, 1, 40)
    strata = [Stratum(np.arange(start, start + 10), np.array([start + 4])) for start in (0, 10, 20, 30)]
    curve = precision_curve(scores, strata, {14: 1.0, 34: 0.0}, seed=0)
    assert curve.kept[-1] == 35
    assert curve.precision[-1] == pytest.approx((30 * 1 + 5 * 0) / 35)
    with pytest.raises(ValueError, match="no pair"):
        precision_curve(scores, strata, {}, seed=0)


def test_wilson_against_a_table():
    # Newcombe 1998, table I: 81/263 and 0/20.
    low, high = wilson(np.array([81 / 263, 0.0]), np.array([263.0, 20.0]), 1.959964)
    np.testing.assert_allclose(low, [0.2553, 0.0], atol=5e-5)
    np.testing.assert_allclose(high, [0.3662, 0.1611], atol=5e-5)


def test_the_same_answers_give_the_same_curve():
    scores, right = mined(1.5)
    first, again = judged(scores, right, 5), judged(scores, right, 5)
    np.testing.assert_array_equal(first.bound, again.bound)
