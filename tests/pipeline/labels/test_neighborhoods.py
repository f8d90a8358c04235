"""Neighbourhoods of label points: exact against naive, approximate against exact."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts.shards import KEY_DTYPE, fixed_list_view, open_folder
from pipeline.config.labels import Neighborhoods
from pipeline.ground.hashing import Keys, as_keys, text_key
from pipeline.labels.neighborhoods import find_neighborhoods, soft_weights, write_neighborhoods
from pipeline.search.neighbors import SelfNeighbors


def clustered(rows: int, dimension: int = 16, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(max(rows // 20, 1), dimension))
    vectors = centres[generator.integers(0, len(centres), rows)] + 0.3 * generator.normal(size=(rows, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def naive(vectors: np.ndarray, k: int) -> np.ndarray:
    wide = vectors.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    similarity = wide @ wide.T
    np.fill_diagonal(similarity, -np.inf)
    return -np.sort(-similarity, axis=1)[:, :k]


def find(vectors: np.ndarray, config: Neighborhoods, scratch: Path) -> tuple[SelfNeighbors, float]:
    """Neighbours, and the share of the true ones among them."""
    found = find_neighborhoods(vectors, config, scratch)
    return found.neighbors, found.recall


@pytest.mark.parametrize("search", ["exact", "auto"])
def test_exact_neighbours_are_the_naive_ones(search: str, tmp_path: Path) -> None:
    vectors = clustered(300)
    found, recall = find(vectors, Neighborhoods(k=7, search=search), tmp_path)
    assert recall == 1.0
    assert np.allclose(found.similarity, naive(vectors, 7), atol=1e-5)
    assert not (found.row == np.arange(300)[:, None]).any()


def test_an_index_that_visits_everything_finds_the_exact_neighbours(tmp_path: Path) -> None:
    vectors = clustered(400)
    config = Neighborhoods(k=5, search="approximate", index="IVF8,Flat", recall=1.0, sample=400)
    found, recall = find(vectors, config, tmp_path)
    assert recall == 1.0
    assert np.allclose(found.similarity, naive(vectors, 5), atol=1e-5)
    assert not (found.row == np.arange(400)[:, None]).any()


def test_an_index_reaches_the_recall_asked_for_and_says_so(tmp_path: Path) -> None:
    vectors = clustered(3_000, seed=1)
    config = Neighborhoods(k=8, search="approximate", index="IVF64,Flat", recall=0.8, sample=3_000)
    found, recall = find(vectors, config, tmp_path)
    truth = naive(vectors, 8)
    measured = (found.similarity >= truth[:, -1:] - 1e-5).mean()
    assert recall >= 0.8
    assert measured == pytest.approx(recall)  # of a sample of all points


@pytest.mark.parametrize("index", [None, "auto"])
def test_without_a_factory_string_an_index_chosen_by_size_reaches_the_recall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str | None
) -> None:
    monkeypatch.setattr("pipeline.search.faiss_index.FLAT_ROWS", 1_000)
    vectors = clustered(3_000, seed=2)
    config = Neighborhoods(k=8, search="approximate", index=index, recall=0.9, sample=1_000)
    found, recall = find(vectors, config, tmp_path)
    assert recall >= 0.9
    assert (found.similarity >= naive(vectors, 8)[:, -1:] - 1e-5).mean() == pytest.approx(recall, abs=0.05)


def test_the_same_index_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    vectors = clustered(500)
    config = Neighborhoods(k=4, search="approximate", index="IVF16,Flat", recall=0.5)
    results = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        found, _ = find(vectors, config, tmp_path / name)
        results.append((found.row.tobytes(), found.similarity.tobytes()))
    assert results[0] == results[1]


@pytest.mark.parametrize("search", ["exact", "approximate"])
def test_fewer_points_than_neighbours_leave_empty_places(search: str, tmp_path: Path) -> None:
    vectors = clustered(3)
    found, _ = find(vectors, Neighborhoods(k=5, search=search), tmp_path)
    assert (found.row[:, 2:] == -1).all()
    assert np.isneginf(found.similarity[:, 2:]).all()
    assert (np.sort(found.row[:, :2], axis=1) == [[1, 2], [0, 2], [0, 1]]).all()


@pytest.mark.parametrize("search", ["exact", "approximate"])
def test_a_copy_of_a_point_is_its_nearest_neighbour_and_the_point_itself_never_is(search: str, tmp_path: Path) -> None:
    vectors = clustered(60)
    vectors[10:20] = vectors[10]
    found, _ = find(vectors, Neighborhoods(k=4, search=search), tmp_path)
    assert not (found.row == np.arange(60)[:, None]).any()
    assert np.allclose(found.similarity[10:20], 1.0, atol=1e-3)
    assert ((found.row[10:20] >= 10) & (found.row[10:20] < 20)).all()


def test_weights_leave_the_rest_to_the_point_itself() -> None:
    weights = soft_weights(np.array([[1.0, 0.9, -np.inf]], dtype=np.float32), 0.1)
    own = 1 / (2 + np.exp(-1))
    assert weights[0].tolist() == pytest.approx([own, own * np.exp(-1), 0.0])


def test_no_points_have_no_neighbours(tmp_path: Path) -> None:
    found, recall = find(np.empty((0, 4), np.float16), Neighborhoods(search="approximate"), tmp_path)
    assert (found.row.shape, recall) == ((0, 32), 1.0)


@dataclass
class Points:
    """Label points whose vectors are at hand."""

    strategy: str
    keys: Keys
    held: np.ndarray

    @property
    def dimension(self) -> int:
        return self.held.shape[1]

    def __len__(self) -> int:
        return len(self.held)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        return self.held[rows]


def test_an_empty_place_names_no_point_and_metadata_say_how_weights_were_made(tmp_path: Path) -> None:
    """With four places and three points, each has two neighbours; point 0 must not stand in the places left over."""
    vectors = clustered(3).astype(np.float32)
    keys = as_keys(sorted(text_key(name) for name in "abc"))
    points = Points("priority", keys, vectors)
    metrics = write_neighborhoods(points, Neighborhoods(k=4, temperature=0.2), tmp_path / "n", 100, {}, "n")
    (shard,) = open_folder(tmp_path / "n")
    neighbors = fixed_list_view(shard.table.column("neighbor"), KEY_DTYPE)
    weights = fixed_list_view(shard.table.column("weight"), np.dtype(np.float32))
    for row in range(3):
        assert set(neighbors[row].tolist()) == {*np.delete(keys, row).tolist(), b""}
    assert (weights[:, 2:] == 0).all()
    similarity = -np.sort(-naive(vectors, 2), axis=1)
    assert np.allclose(weights[:, :2], soft_weights(similarity.astype(np.float32), 0.2), atol=1e-3)
    assert shard.made_by["temperature"] == 0.2
    assert metrics["points"] == 3
    assert metrics["search"] == shard.made_by["search"]["search"] == "faiss"
    assert metrics["nearest_similarity"] == pytest.approx(similarity[:, 0].mean(), abs=1e-3)
    assert metrics["weight_on_neighbors"] == pytest.approx(weights.sum() / 3, abs=1e-5)
