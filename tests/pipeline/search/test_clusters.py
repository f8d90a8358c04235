import numpy as np
import pytest

from pipeline.config.mine import Mine
from pipeline.mining.mine import find_neighbors
from pipeline.search import tiles as module
from pipeline.search.clusters import cluster_count, clustered_neighbors, make_clusters
from pipeline.search.faiss_index import neighbor_recall
from pipeline.search.neighbors import mutual_neighbors
from pipeline.search.vectors import VectorError
from tests.pipeline.search.test_faiss_index import sides

MEMORY = 1 << 24


@pytest.mark.parametrize("memory", [MEMORY, 1 << 16])
def test_looking_everywhere_is_exact(memory):
    x, y = sides(700, 500)
    clusters = make_clusters(x, y, 4, 1.0, 1000, MEMORY, device="cpu")
    found = clustered_neighbors(x, y, 4, clusters, memory, "cpu")
    exact = mutual_neighbors(x, y, 4, MEMORY, "cpu")
    assert clusters.recall == 1.0
    assert neighbor_recall(exact.forward_similarity, found.forward_similarity) > 0.995
    assert neighbor_recall(exact.backward_similarity, found.backward_similarity) > 0.995
    same = found.forward_row == exact.forward_row
    assert np.allclose(found.forward_similarity[same], exact.forward_similarity[same], atol=1e-6)


def test_recall_foretold_is_recall_found(monkeypatch):
    monkeypatch.setattr(module, "CPU_TILE", 64)
    x, y = sides(1500, 1200)
    exact = mutual_neighbors(x, y, 4, MEMORY, "cpu")
    gaps = []
    for wanted in (0.6, 0.95):
        clusters = make_clusters(x, y, 4, wanted, 5000, MEMORY, device="cpu")
        found = clustered_neighbors(x, y, 4, clusters, MEMORY, "cpu")
        both = [
            neighbor_recall(exact.forward_similarity, found.forward_similarity),
            neighbor_recall(exact.backward_similarity, found.backward_similarity),
        ]
        assert clusters.recall >= wanted
        # Sketches of 32 numbers exchange a few neighbours that are nearly as near.
        assert np.average(both, weights=[1500, 1200]) == pytest.approx(clusters.recall, abs=0.01)
        gaps.append(clusters.gap)
    assert gaps[0] < gaps[1]


def test_what_is_found_has_its_exact_cosine():
    x, y = sides(600, 500)
    found = find_neighbors(x, y, Mine(search="approximate", recall=0.8)).neighbors
    wide = [side.astype(np.float64) for side in (x, y)]
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in wide]
    cosine = unit[0] @ unit[1].T
    for similarity, row, table in (
        (found.forward_similarity, found.forward_row, cosine),
        (found.backward_similarity, found.backward_row, cosine.T),
    ):
        there = row >= 0
        assert there.mean() > 0.99
        line = np.broadcast_to(np.arange(len(row))[:, None], row.shape)
        assert np.allclose(similarity[there], table[line[there], row[there]], atol=1e-6)
        assert np.all(np.diff(similarity, axis=1) <= 0)
        assert all(len(set(of_row[of_row >= 0])) == (of_row >= 0).sum() for of_row in row)


def test_same_seed_same_bits():
    x, y = sides(600, 500)
    runs = [find_neighbors(x, y, Mine(search="approximate", recall=0.9), seed=3) for _ in range(2)]
    assert np.array_equal(runs[0].neighbors.forward_similarity, runs[1].neighbors.forward_similarity)
    assert runs[0].about == runs[1].about
    assert runs[0].about["search"] == "approximate"


def test_few_rows_and_copies():
    x = np.ones((3, 4), np.float16)
    found = find_neighbors(x, np.ones((1, 4), np.float16), Mine(search="approximate")).neighbors
    assert found.forward_row.tolist() == [[0, -1, -1, -1]] * 3
    many = np.ones((3000, 4), np.float16)
    found = find_neighbors(many, many, Mine(search="approximate")).neighbors
    assert np.all(found.forward_row >= 0)


def test_progress_and_errors():
    x, y = sides(300, 200)
    done = []
    find_neighbors(x, y, Mine(search="approximate"), advance=lambda count=1, note="": done.append(count))
    assert sum(done) == 300
    y[11] = np.nan
    with pytest.raises(VectorError, match="side b, row 11"):
        make_clusters(x, y, 4, 0.9, 100, MEMORY)
    assert cluster_count(1) == 1
