import mining_reference as reference
import numpy as np
import pytest
from exact_search import mutual_neighbors
from search_sides import sides

from pipeline.config.mine import Mine
from pipeline.mining.judging.quality import cost, exact_sample
from pipeline.mining.mine import mine_neighbors, search_job
from pipeline.search.neighbors import Neighbors


def blinded(neighbors, lost):
    """The same neighbours with some forward lines that lost their first one."""
    similarity, row = neighbors.forward_similarity.copy(), neighbors.forward_row.copy()
    similarity[lost, :-1], row[lost, :-1] = similarity[lost, 1:], row[lost, 1:]
    similarity[lost, -1], row[lost, -1] = -np.inf, -1
    return Neighbors(similarity, row, neighbors.backward_similarity, neighbors.backward_row)


def test_exact_search_costs_nothing():
    x, y = sides(400, 300)
    options = Mine(sample=100)
    mined = mine_neighbors(mutual_neighbors(x, y, 4, 1 << 24, "cpu"), options)
    found = cost(exact_sample(x, y, search_job(options), options.score), mined, threshold=1.1)
    assert (found.recall_forward, found.recall_backward, found.recall_pairs, found.recall_accepted) == (1, 1, 1, 1)
    assert found.margin_shift == pytest.approx(0, abs=1e-6)
    assert found.threshold_shift == pytest.approx(0, abs=1e-6)
    assert 0 < found.accepted_pairs <= found.mutual_pairs <= found.sample == 100


@pytest.mark.parametrize("kind", ["ratio", "distance", "cosine"])
def test_the_sample_is_the_mutual_best_of_the_reference(kind):
    x, y = sides(90, 80)
    options = Mine(sample=1000, score=kind)
    exact = exact_sample(x, y, search_job(options), options.score)
    expected = reference.candidates(reference.cosines(x, y), 4, kind, "intersection")
    assert set(zip(exact.row_a.tolist(), exact.row_b.tolist(), strict=True)) == set(expected)
    pairs = zip(exact.row_a.tolist(), exact.row_b.tolist(), strict=True)
    assert exact.score == pytest.approx([expected[pair] for pair in pairs], abs=1e-5)


def test_missed_neighbours_are_seen():
    x, y = sides(400, 300)
    options = Mine(sample=400, retrieval="forward")
    neighbors = mutual_neighbors(x, y, 4, 1 << 24, "cpu")
    mined = mine_neighbors(blinded(neighbors, np.arange(0, 400, 2)), options)
    found = cost(exact_sample(x, y, search_job(options), options.score), mined, threshold=1.0)
    assert found.recall_forward == pytest.approx(1 - 0.5 / 4)
    assert found.recall_backward == 1.0
    assert 0.4 < found.recall_pairs < 0.6
    assert found.recall_accepted < 0.6


def test_nothing_to_sample():
    x, y = sides(30, 30)
    options = Mine()
    mined = mine_neighbors(mutual_neighbors(x[:0], y, 4, 1 << 24, "cpu"), options)
    metrics = cost(exact_sample(x[:0], y, search_job(options), options.score), mined).as_metrics()
    assert metrics["sample"] == 0
    assert metrics["recall_pairs"] is None
    assert metrics["threshold_shift"] is None


def test_a_score_of_exactly_the_threshold_is_accepted():
    x, y = sides(100, 90)
    options = Mine(sample=100)
    exact = exact_sample(x, y, search_job(options), options.score)
    mined = mine_neighbors(mutual_neighbors(x, y, 4, 1 << 24, "cpu"), options)
    ordered = np.sort(exact.score)
    threshold = float(ordered[len(ordered) // 2])
    assert cost(exact, mined, threshold).accepted_pairs == np.count_nonzero(exact.score >= threshold)
