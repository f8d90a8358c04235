import mining_reference as reference
import numpy as np
import pytest
import torch
from exact_search import mutual_neighbors, self_neighbors
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.search import tiles as module
from pipeline.search.vectors import VectorError

MEMORY = 8 << 20


def lattice(generator, rows, d):
    """Vectors of ±1 with d a power of four: lengths and cosines are exact, so ties are real ties."""
    return generator.choice([-1.0, 1.0], size=(rows, d)).astype(np.float16)


def check(similarity, row, expected_similarity, k):
    rows = len(expected_similarity)
    assert similarity.shape == row.shape == (rows, k)
    assert similarity.dtype == np.float32
    assert row.dtype == np.int64
    for i, wanted in enumerate(reference.top(expected_similarity, k)):
        assert row[i].tolist() == wanted + [-1] * (k - len(wanted))
        assert np.allclose(similarity[i, : len(wanted)], expected_similarity[i, wanted], atol=1e-6)
        assert np.all(np.isneginf(similarity[i, len(wanted) :]))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_ties_and_few_rows_as_the_reference(n, m, k, seed):
    generator = np.random.default_rng(seed)
    x, y = lattice(generator, n, 4), lattice(generator, m, 4)
    found = mutual_neighbors(x, y, k, MEMORY, "cpu")
    expected = reference.cosines(x, y)
    check(found.forward_similarity, found.forward_row, expected, k)
    check(found.backward_similarity, found.backward_row, expected.T, k)


@pytest.mark.parametrize("tile", [32, 64, 96])
@pytest.mark.parametrize("k", [1, 4, 40])
def test_many_tiles_and_slabs_as_the_reference(monkeypatch, tile, k):
    generator = np.random.default_rng(tile * k)
    x = generator.standard_normal((333, 16)).astype(np.float32)
    y = generator.standard_normal((257, 16)).astype(np.float32)
    y[100:200] = x[:100] + 0.1 * y[100:200]
    monkeypatch.setattr(module, "CPU_TILE", tile)
    found = mutual_neighbors(x, y, k, 4 * 16 * 4 * 100, "cpu")
    expected = reference.cosines(x, y)
    check(found.forward_similarity, found.forward_row, expected, k)
    check(found.backward_similarity, found.backward_row, expected.T, k)


def test_ties_across_tiles_go_to_the_lower_row(monkeypatch):
    monkeypatch.setattr(module, "CPU_TILE", 32)
    generator = np.random.default_rng(5)
    x, y = lattice(generator, 200, 4), lattice(generator, 170, 4)
    found = mutual_neighbors(x, y, 5, MEMORY, "cpu")
    check(found.forward_similarity, found.forward_row, reference.cosines(x, y), 5)
    check(found.backward_similarity, found.backward_row, reference.cosines(x, y).T, 5)


def test_copies_of_a_vector_tie_wherever_they_stand():
    generator = np.random.default_rng(1)
    x = generator.standard_normal((70, 384)).astype(np.float16)
    y = generator.standard_normal((2100, 384)).astype(np.float16)
    y[[3, 40, 700, 1400, 2047, 2048, 2099]] = y[3]
    found = mutual_neighbors(x, y, 2100, 64 << 20, "cpu")
    for row in found.forward_row:
        places = [row.tolist().index(copy) for copy in (3, 40, 700, 1400, 2047, 2048, 2099)]
        assert places == list(range(places[0], places[0] + 7))


def test_identical_vectors_everywhere():
    x, y = np.ones((300, 8), np.float16), np.full((100, 8), 2.0, np.float16)
    found = mutual_neighbors(x, y, 3, MEMORY, "cpu")
    assert np.array_equal(found.forward_row, np.tile([0, 1, 2], (300, 1)))
    assert np.array_equal(found.backward_row, np.tile([0, 1, 2], (100, 1)))
    assert np.allclose(found.forward_similarity, 1.0)


def test_swapping_the_sides_swaps_the_directions():
    generator = np.random.default_rng(2)
    x, y = generator.standard_normal((150, 16), np.float32), generator.standard_normal((90, 16), np.float32)
    one, other = mutual_neighbors(x, y, 4, MEMORY, "cpu"), mutual_neighbors(y, x, 4, MEMORY, "cpu").swapped()
    assert np.array_equal(one.forward_row, other.forward_row)
    assert np.array_equal(one.backward_row, other.backward_row)
    assert one.k == 4


def test_same_bits_whatever_the_memory_and_the_threads():
    generator = np.random.default_rng(3)
    x, y = generator.standard_normal((700, 32), np.float32), generator.standard_normal((600, 32), np.float32)
    first, small = mutual_neighbors(x, y, 4, 64 << 20, "cpu"), mutual_neighbors(x, y, 4, 1 << 20, "cpu")
    assert np.array_equal(first.forward_row, small.forward_row)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = mutual_neighbors(x, y, 4, 64 << 20, "cpu")
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(first.forward_similarity, alone.forward_similarity)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 150), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_self_neighbors_as_the_reference(n, k, seed):
    x = lattice(np.random.default_rng(seed), n, 4)
    expected = reference.cosines(x, x)
    found = self_neighbors(x, k, 1 << 16, "cpu")
    for i in range(n):
        wanted = [j for j in reference.top(expected[i : i + 1], n)[0] if j != i][:k]
        assert found.row[i].tolist() == wanted + [-1] * (k - len(wanted))
        assert np.allclose(found.similarity[i, : len(wanted)], expected[i, wanted], atol=1e-6)


def test_self_neighbors_over_many_slabs(monkeypatch):
    monkeypatch.setattr(module, "CPU_TILE", 32)
    x = np.random.default_rng(9).standard_normal((400, 16)).astype(np.float32)
    expected = reference.cosines(x, x)
    np.fill_diagonal(expected, -2)
    found = self_neighbors(x, 6, 4 * 16 * 4 * 64, "cpu")
    check(found.similarity, found.row, expected, 6)


@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (0, 0)])
def test_an_empty_side_has_no_neighbours(n, m):
    found = mutual_neighbors(np.ones((n, 4), np.float16), np.ones((m, 4), np.float16), 2, MEMORY, "cpu")
    assert found.forward_row.shape == (n, 2)
    assert found.backward_row.shape == (m, 2)
    assert np.all(found.forward_row == -1)
    assert np.all(found.backward_row == -1)


def test_progress_adds_up_to_the_rows():
    done = []
    x = np.ones((500, 4), np.float16)
    mutual_neighbors(x, x, 2, 1 << 16, "cpu", advance=lambda count=1, note="": done.append(count))
    assert sum(done) == 500
    done.clear()
    self_neighbors(x, 2, 1 << 16, "cpu", advance=lambda count=1, note="": done.append(count))
    assert sum(done) == 500


@pytest.mark.parametrize(
    ("value", "problem"), [(np.nan, "holds NaN"), (np.inf, "holds infinity"), (0.0, "is zero")], ids=str
)
@pytest.mark.parametrize("side", ["a", "b"])
def test_vectors_without_direction_are_refused(side, value, problem):
    good, bad = np.ones((50, 4), np.float16), np.ones((50, 4), np.float16)
    bad[37] = 0 if value == 0 else bad[37]
    bad[37, 1] = value
    sides = (bad, good) if side == "a" else (good, bad)
    with pytest.raises(VectorError, match=f"side {side}, row 37: .*{problem}"):
        mutual_neighbors(*sides, 2, 1 << 16, "cpu")
    with pytest.raises(VectorError, match=f"row 37: .*{problem}"):
        self_neighbors(bad, 2, 1 << 16, "cpu")


def test_float16_overflow_is_refused():
    with np.errstate(over="ignore"):
        overflowed = np.full((2, 4), 70000.0, np.float32).astype(np.float16)
    with pytest.raises(VectorError, match=r"side b, row 0: .*too large for float16"):
        mutual_neighbors(np.ones((2, 4), np.float16), overflowed, 1, MEMORY, "cpu")


def test_sides_that_cannot_be_compared_are_refused():
    with pytest.raises(VectorError, match="dimension 4, side b of 5"):
        mutual_neighbors(np.ones((2, 4), np.float16), np.ones((2, 5), np.float16), 1, MEMORY)
    with pytest.raises(VectorError, match="side b: found int64"):
        mutual_neighbors(np.ones((2, 4), np.float16), np.ones((2, 4), np.int64), 1, MEMORY)
    with pytest.raises(VectorError, match="float16 or float32"):
        self_neighbors(np.ones((2, 4)), 1, MEMORY)
    with pytest.raises(ValueError, match="k is 0"):
        self_neighbors(np.ones((2, 4), np.float16), 0, MEMORY)
