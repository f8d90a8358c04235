from dataclasses import replace

import numpy as np
import pytest
from exact_search import mutual_neighbors
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.mine import Mine
from pipeline.mining.documents import restricted_neighbors, same_document, within_window
from pipeline.mining.mine import mine_neighbors
from pipeline.search import tiles as module
from pipeline.search.job import SearchJob
from pipeline.search.vectors import VectorError
from tests.pipeline.search.test_neighbors import lattice

JOB = SearchJob(4, 1 << 20, device="cpu")


def expected_rows(x, y, allowed, order, k):
    """Allowed rows of y by similarity, then by their order."""
    cosines = x.astype(np.float64) @ y.astype(np.float64).T
    return [
        sorted(np.flatnonzero(allowed[i]).tolist(), key=lambda j: (-cosines[i, j], order[j], j))[:k]
        for i in range(len(x))
    ]


def check(row, expected, k):
    assert [line.tolist() for line in row] == [wanted + [-1] * (k - len(wanted)) for wanted in expected]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_documents_as_the_reference(n, m, k, seed):
    generator = np.random.default_rng(seed)
    x, y = lattice(generator, n, 4), lattice(generator, m, 4)
    names = np.array(["", "d1", "d2", "d3", "only"])
    a, b = names[generator.integers(0, 4, n)], names[generator.integers(0, 5, m)]
    restriction = same_document(a, b)
    allowed = (a[:, None] == b[None]) & (a[:, None] != "")
    found = restricted_neighbors(x, y, restriction, replace(JOB, k=k))
    check(found.forward_row, expected_rows(x, y, allowed, np.zeros(m), k), k)
    check(found.backward_row, expected_rows(y, x, allowed.T, np.zeros(n), k), k)
    assert restriction.alone_a == (~allowed.any(1)).sum()
    assert restriction.alone_b == (~allowed.any(0)).sum()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_windows_as_the_reference(n, m, window, seed):
    generator = np.random.default_rng(seed)
    x, y = lattice(generator, n, 4), lattice(generator, m, 4)
    a, b = generator.integers(0, 9, n), generator.integers(0, 9, m)
    found = restricted_neighbors(x, y, within_window(a, b, window), replace(JOB, k=3))
    allowed = np.abs(a[:, None] - b[None]) <= window
    check(found.forward_row, expected_rows(x, y, allowed, b, 3), 3)
    check(found.backward_row, expected_rows(y, x, allowed.T, a, 3), 3)


def test_one_document_is_the_whole_corpus(monkeypatch):
    monkeypatch.setattr(module, "CPU_TILE", 32)
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((130, 16), np.float32), generator.standard_normal((99, 16), np.float32)
    found = restricted_neighbors(x, y, same_document(np.full(130, "d"), np.full(99, "d")), JOB)
    whole = mutual_neighbors(x, y, 4, 1 << 20, "cpu")
    assert np.array_equal(found.forward_row, whole.forward_row)
    assert np.array_equal(found.backward_row, whole.backward_row)


def test_pairs_stay_inside_their_documents():
    generator = np.random.default_rng(1)
    x = generator.standard_normal((60, 8)).astype(np.float32)
    documents = np.repeat(["a", "b", "c"], 20)
    shuffled = generator.permutation(60)
    pairs = mine_neighbors(
        restricted_neighbors(x, x[shuffled], same_document(documents, documents[shuffled]), JOB),
        Mine(),
    ).pairs
    assert len(pairs) == 60
    assert np.array_equal(shuffled[pairs.row_b], pairs.row_a)


def test_nothing_in_common_is_no_pairs():
    x = np.ones((3, 4), np.float32)
    found = restricted_neighbors(x, x, same_document(np.array(["a"] * 3), np.array(["b"] * 3)), replace(JOB, k=2))
    assert np.all(found.forward_row == -1)
    assert len(mine_neighbors(found, Mine()).pairs) == 0


def test_errors_name_the_row_of_the_side():
    x, y = np.ones((4, 4), np.float32), np.ones((4, 4), np.float32)
    y[1] = 0
    with pytest.raises(VectorError, match="side b, row 1"):
        restricted_neighbors(x, y, same_document(np.array(list("ccba")), np.array(list("bcba"))), replace(JOB, k=2))
    with pytest.raises(ValueError, match="window is -1"):
        within_window(np.zeros(2, np.int64), np.zeros(2, np.int64), -1)
