import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.mining.judging.histogram import BINS, bar, histogram


def test_by_hand():
    scores = np.array([0.99, 1.0, 1.019, 1.021, 1.5])
    found = histogram(scores, 0.02)
    assert found.counts.sum() == 5
    assert np.isclose(found.edges[0], 0.98)
    assert found.counts[:3].tolist() == [1, 2, 1]
    assert found.rows()[1][2] == 2
    assert found.edges[-1] >= 1.5


def test_nothing_is_an_empty_bin():
    assert histogram(np.array([])).counts.tolist() == [0]
    assert histogram(np.array([np.nan, -np.inf])).counts.tolist() == [0]


def test_tails_do_not_stretch_it():
    scores = np.concatenate([np.linspace(0.9, 1.2, 10_000), [1e9, -1e9]])
    found = histogram(scores)
    assert found.counts.sum() == 10_002
    assert 0.85 < found.edges[0] < found.edges[-1] < 1.25
    assert len(found.counts) <= BINS + 1


def test_metrics_are_plain_numbers():
    assert histogram(np.array([1.0, 1.001]), 0.5).as_metrics() == {"edges": [1.0, 1.5], "counts": [2]}


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6, allow_nan=False)))
def test_every_score_is_counted_once(scores):
    found = histogram(scores)
    assert found.counts.sum() == len(scores)
    assert len(found.edges) == len(found.counts) + 1
    assert len(found.counts) <= BINS + 2
    assert np.all(np.diff(found.edges) > 0)


def test_bars():
    assert bar(500, 1000, 10) == "#####"
    assert bar(1, 10**9) == "#"
    assert bar(0, 0) == ""
