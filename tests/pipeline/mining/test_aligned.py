import mining_reference as reference
import numpy as np
import pytest
from exact_search import mutual_neighbors
from search_sides import sides

from pipeline.config.mine import Mine
from pipeline.mining.aligned import score_aligned
from pipeline.mining.mine import mine_neighbors


def test_mined_pairs_get_the_score_they_were_mined_with():
    x, y = sides(200, 150)
    neighbors = mutual_neighbors(x, y, 4, 1 << 22, "cpu")
    pairs = mine_neighbors(neighbors, Mine()).pairs
    again = score_aligned(x, y, pairs.row_a, pairs.row_b, neighbors, "ratio")
    assert again.score == pytest.approx(pairs.score, abs=1e-5)
    assert np.array_equal(again.rank_a_to_b, pairs.rank_a_to_b)
    assert np.array_equal(again.rank_b_to_a, pairs.rank_b_to_a)


@pytest.mark.parametrize("kind", ["ratio", "distance", "cosine"])
def test_any_pair_as_the_reference(kind):
    x, y = sides(40, 40)
    similarity = reference.cosines(x, y)
    rows = np.arange(40)
    found = score_aligned(x, y, rows, rows[::-1].copy(), mutual_neighbors(x, y, 4, 1 << 22, "cpu"), kind)
    for i, j in zip(rows, rows[::-1], strict=True):
        a = np.sort(similarity[i])[-4:].mean()
        b = np.sort(similarity[:, j])[-4:].mean()
        assert found.score[i] == pytest.approx(reference.score_of(similarity[i, j], a, b, kind), abs=1e-4)
