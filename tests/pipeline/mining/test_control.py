import numpy as np
import pytest

from pipeline.config import Mine
from pipeline.mining.control import ControlError, histogram, plant, planted_threshold, shuffled_control
from pipeline.mining.mine import mine


def translations(count, d=32, noise=0.3, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, d)).astype(np.float32)
    return x, x + noise * generator.standard_normal((count, d)).astype(np.float32)


def test_control_has_no_true_pairs_and_low_scores():
    x, y = translations(600)
    documents = np.repeat([f"d{n}" for n in range(30)], 20)
    true = mine(x, y, Mine())
    control = shuffled_control(x, y, documents, documents, Mine())
    threshold = float(np.quantile(true.score, 0.05))
    assert control.searched == 600
    assert np.all(np.diff(control.scores) <= 0)
    assert control.rate(threshold) < 0.05 < control.rate(-np.inf)
    strict = control.threshold_at(0.01)
    assert control.rate(strict) <= 0.01
    assert control.accepted(np.nextafter(strict, -np.inf)) > 0.01 * 600 - 1
    assert control.threshold_at(1.0) == -np.inf
    again = shuffled_control(x, y, documents, documents, Mine())
    assert np.array_equal(again.scores, control.scores)


def test_control_never_mines_a_document_against_itself():
    """Without noise every true pair has cosine 1; the control has none."""
    x, y = translations(100, noise=0.0)
    documents = np.array([f"d{n % 7}" for n in range(100)])
    control = shuffled_control(x, y, documents, documents, Mine(score="cosine"))
    assert control.scores.max() < 0.99


def test_control_needs_documents():
    x, y = translations(10)
    one = np.full(10, "d")
    with pytest.raises(ControlError, match="at least two documents; found 1"):
        shuffled_control(x, y, one, one, Mine())


def test_planted_pairs_estimate_the_threshold():
    x, _ = translations(500, seed=1)
    y, _ = translations(400, seed=2)
    known_a, known_b = translations(200, seed=3)
    planted = plant(x, y, known_a, known_b, whole=0.5, seed=0)
    assert (len(planted.x), len(planted.y), planted.pairs) == (650, 550, 100)
    estimate = planted_threshold(mine(planted.x, planted.y, Mine()), planted)
    assert estimate.quality.gold == 100
    assert estimate.recall > 0.95
    assert estimate.precision > 0.95
    with pytest.raises(ControlError, match="expected pairs"):
        plant(x, y, known_a[:0], known_b[:0])


def test_histogram_counts_everything():
    scores = np.array([0.99, 1.0, 1.019, 1.021, 1.5])
    found = histogram(scores)
    assert found.counts.sum() == 5
    assert found.edges[0] <= 0.99
    assert found.edges[-1] >= 1.5
    assert len(found.rows()) == len(found.counts)
    assert histogram(np.array([])).counts.tolist() == [0]
