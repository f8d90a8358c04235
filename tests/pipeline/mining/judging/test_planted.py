import numpy as np
import pytest
from exact_search import mutual_neighbors

from pipeline.config.mine import Mine
from pipeline.mining.judging.control import ControlError
from pipeline.mining.judging.planted import Planted, choose_planted, estimate_threshold, judged, planted_neighbors
from pipeline.mining.judging.threshold import tune
from pipeline.mining.mine import mine, mine_neighbors
from pipeline.mining.retrieval import Candidates

MEMORY = 1 << 26


def random(count, seed, d=32):
    return np.random.default_rng(seed).standard_normal((count, d)).astype(np.float32)


def translations(count, noise=0.3, seed=0):
    x = random(count, seed)
    return x, x + noise * random(count, seed + 1000)


@pytest.mark.parametrize(("n", "m", "s", "t"), [(300, 200, 20, 30), (3, 2, 1, 1), (2, 40, 30, 1)])
def test_added_rows_are_found_as_a_search_of_the_longer_sides_finds_them(n, m, s, t):
    x, y, a, b = random(n, 1), random(m, 2), random(s, 3), random(t, 4)
    whole = mutual_neighbors(np.concatenate([x, a]), np.concatenate([y, b]), 4, MEMORY)
    added = planted_neighbors(x, y, mutual_neighbors(x, y, 4, MEMORY), a, b, MEMORY)
    for name in ("forward_row", "backward_row"):
        assert np.array_equal(getattr(added, name), getattr(whole, name))
    assert np.allclose(added.forward_similarity, whole.forward_similarity, atol=1e-6)
    assert np.allclose(added.backward_similarity, whole.backward_similarity, atol=1e-6)


def test_copies_that_are_added_lose_ties_to_rows_that_were_there():
    x, y = np.sign(random(40, 1, 16)), np.sign(random(30, 2, 16))  # cosines are sixteenths: many ties, and no rounding
    whole = mutual_neighbors(np.concatenate([x, x[:5]]), np.concatenate([y, y[:5]]), 4, MEMORY)
    added = planted_neighbors(x, y, mutual_neighbors(x, y, 4, MEMORY), x[:5], y[:5], MEMORY)
    assert np.array_equal(added.forward_row, whole.forward_row)
    assert np.array_equal(added.backward_row, whole.backward_row)


def test_planted_pairs_estimate_the_threshold():
    x, y = random(500, 1), random(400, 2)
    known_a, known_b = translations(200, seed=3)
    neighbors = mutual_neighbors(x, y, 4, MEMORY)
    estimate = estimate_threshold(x, y, neighbors, known_a, known_b, Mine())
    assert (estimate.quality.gold, estimate.known) == (100, 200)
    assert estimate.quality.recall > 0.95
    assert estimate.quality.precision > 0.95
    assert estimate.intervals.threshold.low <= estimate.threshold <= estimate.intervals.threshold.high
    assert estimate.as_metrics()["planted_whole"] == 100
    assert estimate == estimate_threshold(x, y, neighbors, known_a, known_b, Mine())


def test_the_estimate_is_that_of_mining_both_sides_with_the_planted_sentences():
    x, y = random(100, 1), random(90, 2)
    known_a, known_b = translations(40, noise=0.8, seed=3)
    planted = choose_planted(40)
    both = np.concatenate([x, known_a[planted.known_a]]), np.concatenate([y, known_b[planted.known_b]])
    touched, right = judged(mine(*both, Mine()), planted, 100, 90)
    best = tune(touched.score, right, planted.pairs)
    estimate = estimate_threshold(x, y, mutual_neighbors(x, y, 4, MEMORY), known_a, known_b, Mine())
    assert estimate.threshold == pytest.approx(best.value, abs=1e-5)
    assert estimate.quality == best.quality


def test_the_estimate_is_near_what_gold_would_give():
    """The corpus has translations too: tuned on the known ones, the threshold is good for those."""
    x, y = translations(600, noise=1.0, seed=7)
    x, y = np.concatenate([x, random(600, 20)]), np.concatenate([y, random(600, 21)])
    known_a, known_b = translations(300, noise=1.0, seed=30)
    neighbors = mutual_neighbors(x, y, 4, MEMORY)
    estimate = estimate_threshold(x, y, neighbors, known_a, known_b, Mine())
    pairs = mine_neighbors(neighbors, Mine()).pairs
    gold = (pairs.row_a == pairs.row_b) & (pairs.row_a < 600)
    best = tune(pairs.score, gold, 600)
    kept = pairs.score >= estimate.threshold
    f1 = 2 * (gold & kept).sum() / (kept.sum() + 600)
    assert f1 > best.quality.f1 - 0.03


@pytest.mark.parametrize(("a", "b", "message"), [(5, 5, "expected at least 20 known"), (30, 29, "expected pairs")])
def test_too_few_known_pairs_and_sides_of_different_length_are_refused(a, b, message):
    x, y = random(50, 1), random(50, 2)
    with pytest.raises(ControlError, match=message):
        estimate_threshold(x, y, mutual_neighbors(x, y, 4, MEMORY), random(a, 3), random(b, 4), Mine())


def test_right_is_what_was_planted_whole_by_hand():
    """Three others on each side; of four known pairs two are planted whole, of the others one side each."""
    planted = Planted(np.array([5, 6, 7]), np.array([5, 6, 8]), 2)
    rows = np.array([(0, 0), (3, 3), (4, 4), (5, 5), (3, 4), (1, 4), (5, 2)])
    some = np.zeros(len(rows))
    ranks = np.ones(len(rows), np.int64)
    touched, right = judged(Candidates(rows[:, 0], rows[:, 1], some, some, some, some, ranks, ranks), planted, 3, 3)
    assert list(zip(touched.row_a.tolist(), touched.row_b.tolist(), strict=True)) == [
        tuple(row) for row in rows[1:].tolist()
    ]
    assert right.tolist() == [True, True, False, False, False, False]  # (5, 5) are sides of two different pairs
