import mining_reference as reference
import numpy as np
import pytest
from exact_search import mutual_neighbors
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.config.mine import Mine
from pipeline.mining.mine import mine, mine_neighbors, search_job
from pipeline.search import scratch as room
from pipeline.search.neighbors import Neighbors
from pipeline.search.scratch import ScratchArrays
from tests.pipeline.search.test_neighbors import lattice

KINDS = ["ratio", "distance", "cosine"]
RETRIEVALS = ["union", "intersection", "forward", "backward"]


def rows(pairs):
    return list(zip(pairs.row_a.tolist(), pairs.row_b.tolist(), strict=True))


def float32_cosines(x, y):
    """The whole matrix as the product rounds it: nearly equal cosines can't be told apart otherwise."""
    everything = mutual_neighbors(x, y, len(y), 1 << 26, "cpu")
    cosines = np.empty((len(x), len(y)))
    np.put_along_axis(cosines, everything.forward_row, everything.forward_similarity, axis=1)
    assert np.allclose(cosines, reference.cosines(x, y), atol=1e-6)
    return cosines


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 2, 4, 60]),
    st.sampled_from(KINDS),
    st.sampled_from(RETRIEVALS),
    st.integers(0, 2**32 - 1),
)
@example(30, 4, 1, "ratio", "union", 30)  # pairs of equal scores, if both directions have the same bits of them
@example(15, 5, 60, "ratio", "union", 1)  # a denominator of 0.0016
def test_random_vectors_as_the_reference(n, m, k, kind, retrieval, seed):
    generator = np.random.default_rng(seed)
    x, y = generator.standard_normal((n, 6), np.float32), generator.standard_normal((m, 6), np.float32)
    both = min(n, m) // 2
    y[:both] = x[:both] + 0.2 * y[:both]
    found = mine(x, y, Mine(k=k, score=kind, retrieval=retrieval))
    expected = reference.candidates(float32_cosines(x, y), k, kind, retrieval)
    assert rows(found) == reference.greedy(expected)
    # All neighbours at once, as the reference has them, are other sums of float32 than the nearest few (`bounded`). A ratio
    # takes over their difference as often as its denominator is smaller than 1.
    middle = (found.mean_a + found.mean_b) / 2
    allowed = 1e-6 * (1 + (1 + np.abs(found.score)) / middle) if kind == "ratio" else 2e-6
    assert np.all(np.abs(found.score - [expected[pair] for pair in rows(found)]) <= allowed)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 30),
    st.sampled_from([1, 2, 4, 40]),
    st.sampled_from(KINDS),
    st.sampled_from(RETRIEVALS),
    st.integers(0, 2**32 - 1),
)
def test_ties_and_duplicates_as_the_reference(n, m, k, kind, retrieval, seed):
    """Cosines are multiples of 1/2, and k a power of two or above all rows: the reference's sums are exact too."""
    generator = np.random.default_rng(seed)
    x, y = lattice(generator, n, 4), lattice(generator, m, 4)
    neighbors = mutual_neighbors(x, y, k, 1 << 20, "cpu")
    found = mine_neighbors(neighbors, Mine(k=k, score=kind, retrieval=retrieval))
    expected = reference.candidates(reference.cosines(x, y), k, kind, retrieval)
    assert rows(found.pairs) == reference.greedy(expected)
    assert sorted(rows(found.pairs) + rows(found.unlinked)) == sorted(expected)
    assert found.pairs.score.tolist() == [expected[pair] for pair in rows(found.pairs)]


def test_ranks_means_and_order_by_hand():
    x, y = np.eye(3, 4, dtype=np.float32), np.eye(3, 4, dtype=np.float32)[[2, 0, 1]]
    y[0] += 0.1 * y[1]
    found = mine(x, y, Mine(k=2))
    assert rows(found) == [(1, 2), (0, 1), (2, 0)]
    assert np.all(np.diff(found.score) <= 0)
    assert found.rank_a_to_b.tolist() == [1, 1, 1]
    assert found.rank_b_to_a.tolist() == [1, 1, 1]
    near = 0.1 / np.sqrt(1.01)
    assert found.mean_a == pytest.approx([0.5, (1 + near) / 2, 1 / np.sqrt(1.01) / 2], abs=1e-6)
    assert found.above(1.95).row_a.tolist() == [1]


def test_the_best_margin_need_not_be_the_first_neighbour():
    """A hub is nearest to everything; the margin sees through it."""
    similarity = np.array([[0.9, 0.8]], np.float32)
    hub_mean, other_mean = [[0.9, 0.9]], [[0.8, 0.1]]
    neighbors = Neighbors(
        similarity, np.array([[0, 1]]), np.array(hub_mean + other_mean, np.float32), np.array([[0, 5], [0, 5]])
    )
    found = mine_neighbors(neighbors, Mine(k=2, retrieval="forward")).pairs
    assert rows(found) == [(0, 1)]
    assert found.rank_a_to_b.tolist() == [2]


def test_a_missing_neighbour_is_no_row():
    """FAISS pads with -1; as an index that would be the last row, here the best of all."""
    neighbors = Neighbors(
        np.array([[0.5, -np.inf], [-np.inf, -np.inf]], np.float32),
        np.array([[0, -1], [-1, -1]]),
        np.array([[0.5, -np.inf], [-np.inf, -np.inf]], np.float32),
        np.array([[0, -1], [-1, -1]]),
    )
    for retrieval in RETRIEVALS:
        found = mine_neighbors(neighbors, Mine(k=2, retrieval=retrieval)).pairs
        assert rows(found) == [(0, 0)]
        assert found.score.tolist() == [1.0]


@pytest.mark.parametrize("retrieval", RETRIEVALS)
@pytest.mark.parametrize(("n", "m"), [(0, 4), (4, 0), (0, 0)])
def test_an_empty_side_gives_no_pairs(n, m, retrieval):
    found = mine(np.ones((n, 4), np.float16), np.ones((m, 4), np.float16), Mine(retrieval=retrieval))
    assert len(found) == 0


def test_exchanging_the_sides_exchanges_the_pairs():
    generator = np.random.default_rng(4)
    x, y = generator.standard_normal((80, 8), np.float32), generator.standard_normal((70, 8), np.float32)
    one, other = mine(x, y, Mine()), mine(y, x, Mine())
    assert {(a, b) for a, b in rows(one)} == {(b, a) for a, b in rows(other)}


def test_many_copies_of_one_sentence():
    generator = np.random.default_rng(7)
    x = np.repeat(generator.standard_normal((1, 16), np.float32), 5000, axis=0)
    found = mine(x, x.copy(), Mine())
    assert rows(found) == [(0, 0)] or len(found) >= 1
    assert len(set(found.row_a.tolist())) == len(found)
    assert found.score == pytest.approx(np.ones(len(found)))


@pytest.mark.parametrize("options", [Mine(), Mine(search="exact"), Mine(index="HNSW16", recall=0.9)])
def test_pairs_by_way_of_a_scratch_folder_are_the_same(tmp_path, monkeypatch, options):
    generator = np.random.default_rng(4)
    x, y = generator.standard_normal((80, 8), np.float32), generator.standard_normal((70, 8), np.float32)

    def in_folder():
        arrays = ScratchArrays.for_rows(tmp_path / "scratch", 150, options.k, options.memory_bytes)
        return mine(x, y, options, search_job(options, scratch=arrays))

    expected = in_folder()
    assert not (tmp_path / "scratch").exists()
    monkeypatch.setattr(room, "COPIES", 10**9)
    found = in_folder()
    assert list((tmp_path / "scratch").iterdir())
    for name in vars(expected):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
