import numpy as np
import pytest
from exact_search import mutual_neighbors

from pipeline.config.mine import Mine
from pipeline.mining.documents import restrict
from pipeline.mining.judging.control import (
    Control,
    ControlError,
    partner_control,
    restricted_control,
    shared_documents,
    shifted_control,
    shuffled_control,
    without_pairs,
)
from pipeline.mining.mine import mine, mine_neighbors

MEMORY = 1 << 26


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


def test_control_takes_about_as_many_sentences_as_it_may_and_only_those_with_a_document():
    x, y = translations(600)
    documents = np.repeat([f"d{n}" for n in range(30)], 20)
    control = shuffled_control(x, y, documents, documents, Mine(control=200))
    assert (control.kind, control.searched) == ("documents", 200)
    documents[:100] = ""
    assert shuffled_control(x, y, documents, documents, Mine()).searched <= 500


def test_documents_are_shared_or_they_say_nothing():
    names = np.array(["a", "a", "b", "b"])
    assert shared_documents(names, names)
    assert not shared_documents(names, np.array(["c", "c", "d", "d"]))
    assert not shared_documents(np.array(["a"] * 4), np.array(["a"] * 4))
    assert not shared_documents(np.array([""] * 4), names)
    assert not shared_documents(np.array(["a", "b", "x", "y", "z"]), names)


def test_metrics_of_a_control_by_hand():
    control = Control("partners", np.array([1.2, 1.1, 1.0]), 200)
    assert control.as_metrics(1.1) == {
        "kind": "partners",
        "searched": 200,
        "accepted": 2,
        "false_rate": 0.01,
        "threshold_at_0.01": pytest.approx(1.0, abs=1e-6),
        "threshold_at_0.001": pytest.approx(1.2, abs=1e-6),
    }
    assert Control("lines", np.empty(0), 5).as_metrics(None) == {
        "kind": "lines",
        "searched": 5,
        "threshold_at_0.01": None,
        "threshold_at_0.001": None,
    }


def test_without_partners_nothing_true_is_left():
    x, y = translations(300, noise=0.1)
    mined = mine_neighbors(mutual_neighbors(x, y, 4, MEMORY), Mine())
    threshold = float(np.quantile(mined.pairs.score, 0.1))
    control = partner_control(mined, Mine(), threshold)
    assert control is not None
    assert control.searched == len(mined.pairs.above(threshold)) == 270
    assert control.rate(threshold) < 0.05
    left = without_pairs(mined.neighbors, mined.pairs)
    again = mine_neighbors(left, Mine()).pairs
    assert not np.any(again.row_a == again.row_b)
    assert np.all((left.forward_row >= 0).sum(axis=1) == 3)
    assert np.all(np.isneginf(left.forward_similarity[left.forward_row < 0]))


def test_a_partner_control_that_cannot_be_had():
    x, y = translations(30)
    one = mine_neighbors(mutual_neighbors(x, y, 1, MEMORY), Mine(k=1))
    assert partner_control(one, Mine(k=1), None) is None
    mined = mine_neighbors(mutual_neighbors(x, y, 4, MEMORY), Mine())
    assert partner_control(mined, Mine(), 1e9) is None


def test_partners_estimate_the_rate_of_sentences_without_a_translation():
    """Half of the sentences have none: what they get above a threshold is what the control foretells, about."""
    x, y = translations(2000, noise=1.2)
    y[1000:] = translations(1000, seed=9)[0]
    mined = mine_neighbors(mutual_neighbors(x, y, 4, MEMORY), Mine())
    threshold = float(np.quantile(mined.pairs.score[mined.pairs.row_a == mined.pairs.row_b], 0.02))
    control = partner_control(mined, Mine(), threshold)
    pairs = mined.pairs.above(threshold)
    false = (pairs.row_a != pairs.row_b).sum() / 1000
    assert control is not None
    assert 0.3 * false < control.rate(threshold) < 3 * false


def test_shuffled_documents_give_only_false_pairs():
    x, y = translations(200, noise=0.0)
    names = np.array([f"d{n // 20}" for n in range(200)])
    shuffled = restrict(names, names, None, shuffled=1)
    assert shuffled is not None
    control = restricted_control(x, y, shuffled, Mine(score="cosine"))
    assert control.searched == 200
    assert control.scores.max() < 0.99
    assert restrict(names[:40], names, None, shuffled=1) is None


def test_shifted_lines_score_low_and_copies_are_left_out():
    x, y = translations(200, noise=0.1)
    rows = np.arange(200)
    neighbors = mutual_neighbors(x, y, 4, MEMORY)
    control = shifted_control(x, y, rows, rows, neighbors, Mine())
    assert control is not None
    assert (control.kind, control.searched) == ("lines", 200)
    assert control.rate(1.0) < 0.05
    assert shifted_control(x, y, rows, rows, neighbors, Mine(control=50)).searched == 50
    assert shifted_control(x, y, rows[:1], rows[:1], neighbors, Mine()) is None
    copies = np.zeros(200, np.int64)
    assert shifted_control(x, y, rows, copies, neighbors, Mine()).searched == 0


def test_searched_are_the_sentences_that_could_have_given_a_pair():
    """Documents of unequal sides: 5 sentences are mined against 7, and 3 against 2."""
    x, y = translations(9)
    documents_a, documents_b = np.array(["d"] * 5 + ["e"] * 3), np.array(["d"] * 2 + ["e"] * 7)
    assert shuffled_control(x[:8], y, documents_a, documents_b, Mine(k=2)).searched == 5 + 2
