import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation.heldout import retrieval_metrics
from pipeline.search import translation_retrieval as module
from pipeline.search.translation_retrieval import Retrieval, retrieve


def _unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def test_by_hand():
    x = np.eye(3, dtype=np.float32)
    y = _unit(np.array([[1, 0.1, 0], [0.9, 0.8, 0], [0, 0, 1.0]]))
    found = retrieve(x, y)
    assert found.forward.tolist() == [True, True, True]
    assert found.backward.tolist() == [True, False, True]
    assert found.accuracy == pytest.approx((1 + 2 / 3) / 2)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(0, 1000))
def test_blocks_equal_the_whole_matrix(rows: int, seed: int):
    generator = np.random.default_rng(seed)
    x, y = (_unit(generator.normal(size=(rows, 5))) for _ in range(2))
    whole = x @ y.T
    original = module.BLOCK_ROWS
    module.BLOCK_ROWS = 4
    try:
        found = retrieve(x, y)
    finally:
        module.BLOCK_ROWS = original
    assert found.forward.tolist() == (whole.argmax(axis=1) == np.arange(rows)).tolist()
    assert found.backward.tolist() == (whole.argmax(axis=0) == np.arange(rows)).tolist()


def test_exchanging_sides_exchanges_directions():
    generator = np.random.default_rng(0)
    x, y = (_unit(generator.normal(size=(20, 4))) for _ in range(2))
    assert retrieve(x, y).forward.tolist() == retrieve(y, x).backward.tolist()


def test_of_equally_near_ones_the_first_counts():
    same = np.ones((3, 1), dtype=np.float32)
    found = retrieve(same, same)
    assert found.forward.tolist() == found.backward.tolist() == [True, False, False]


def test_nothing_to_retrieve():
    empty = np.empty((0, 4), dtype=np.float32)
    assert retrieve(empty, empty).accuracy == 0.0


def test_the_interval_holds_the_accuracy_and_is_the_same_every_time():
    right = np.arange(200) % 10 != 0
    metrics = retrieval_metrics(Retrieval(right, right), 500, seed=3)
    assert metrics == retrieval_metrics(Retrieval(right, right), 500, seed=3)
    assert metrics["accuracy"] == 0.9
    assert metrics["candidates"] == 200
    # The binomial standard error is 0.021; a 95 % interval is about ± 0.042.
    assert metrics["low"] == pytest.approx(0.9 - 0.042, abs=0.012)
    assert metrics["high"] == pytest.approx(0.9 + 0.042, abs=0.012)


def test_the_interval_is_that_of_both_directions_together():
    everything, nothing = np.ones(50, dtype=np.bool_), np.zeros(50, dtype=np.bool_)
    for forward, backward in ((everything, nothing), (nothing, everything)):
        metrics = retrieval_metrics(Retrieval(forward, backward), 100, seed=3)
        assert metrics["accuracy"] == metrics["low"] == metrics["high"] == 0.5
        assert (metrics["forward"], metrics["backward"]) == (forward.mean(), backward.mean())
