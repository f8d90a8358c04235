"""Neighbours of a set in itself by way of cells, against exact search."""

import numpy as np
import pytest

from pipeline.search import cells
from pipeline.search.cells import cell_neighbors, cells_to_look_into
from pipeline.search.neighbors import self_neighbors
from pipeline.search.scratch import Room
from pipeline.search.vectors import VectorError

MEMORY = 1 << 22


def clustered(rows: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    middles = generator.standard_normal((40, 24), np.float32)
    return (middles[generator.integers(0, 40, rows)] + generator.standard_normal((rows, 24))).astype(np.float16)


@pytest.mark.parametrize("rows", [1, 2, 7, 300, 3_000])
def test_all_cells_looked_into_are_the_exact_search(rows, monkeypatch):
    """Strips and tiles smaller than a cell, and tiles that are not whole blocks."""
    monkeypatch.setattr(cells, "STRIP", 50)
    monkeypatch.setattr(cells, "WIDTH", 700)
    x = clustered(rows)
    expected = self_neighbors(x, 5, MEMORY)
    found, recall = cell_neighbors(x, 5, 1.0, rows, MEMORY, Room())
    assert recall == 1.0
    np.testing.assert_allclose(found.similarity, expected.similarity, atol=2e-6)
    assert np.mean(found.row == expected.row) > 0.999  # nearly equal cosines may be rounded into another order
    assert not np.any(found.row == np.arange(rows)[:, None])
    assert np.array_equal(found.row == -1, np.isneginf(found.similarity))


def test_the_share_asked_for_is_found_without_looking_everywhere():
    x = clustered(5_000)
    kth = self_neighbors(x, 10, MEMORY).similarity[:, -1:]
    for asked in (0.5, 0.8, 0.95):
        found, recall = cell_neighbors(x, 10, asked, 1_000, MEMORY, Room())
        assert asked <= recall < 1
        assert np.mean(found.similarity >= kth - 1e-5) == pytest.approx(recall, abs=0.03)


def test_more_is_looked_into_than_a_lucky_sample_asks_for():
    """Two rows, half of whose neighbours are in the first cell: of 0 and 1 the mean is 0.5, and its standard error 0.35."""
    places = [np.array([0, 0, 0, 0]), np.array([2, 2, 2, 2])]
    assert cells_to_look_into(places, 4, 0.5, rows=10**9) == (3, 1.0)
    assert cells_to_look_into(places, 4, 0.5, rows=2) == (1, 0.5)  # all rows are in the sample: no error
    # 64 rows of which each has seven of eight in its own cell and one in the next: no spread, no error.
    assert cells_to_look_into([np.array([0] * 7 + [1])] * 64, 4, 0.875, rows=10**9) == (1, 0.875)
    assert cells_to_look_into([], 4, 0.9, rows=0) == (1, 1.0)


@pytest.mark.parametrize("asked", [0.7, 0.9, 0.97])
def test_the_share_asked_for_is_there_in_19_of_20_samples(asked):
    generator = np.random.default_rng(5)
    everyone = [generator.geometric(generator.uniform(0.05, 0.9), 10).clip(max=64) - 1 for _ in range(2_000)]
    true = np.mean([np.cumsum(np.bincount(row, minlength=64)) / 10 for row in everyone], axis=0)
    missed = 0
    for _ in range(200):
        sample = [everyone[row] for row in generator.choice(2_000, 100, replace=False)]
        missed += true[cells_to_look_into(sample, 64, asked, rows=2_000)[0] - 1] < asked
    assert missed <= 20


def test_copies_are_neighbours_and_ties_go_to_the_lower_row():
    x = np.tile(np.array([[1.0, 2.0, 3.0]], np.float32), (500, 1))
    found, _ = cell_neighbors(x, 3, 1.0, 500, MEMORY, Room())
    assert np.allclose(found.similarity, 1.0)
    assert found.row[:4].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert np.all(found.row[4:] == [0, 1, 2])


def test_files_give_the_bytes_that_memory_gives(tmp_path):
    x, counted = clustered(2_000), []
    first, _ = cell_neighbors(x, 8, 0.9, 200, MEMORY, Room())
    second, _ = cell_neighbors(x, 8, 0.9, 200, MEMORY, Room(tmp_path), advance=counted.append)
    assert first.similarity.tobytes() == second.similarity.tobytes()
    assert first.row.tobytes() == second.row.tobytes()
    assert sum(counted) == len(x)


def test_a_vector_without_direction_is_named():
    x = clustered(400)
    x[123] = 0
    with pytest.raises(VectorError, match="123"):
        cell_neighbors(x, 3, 0.9, 50, MEMORY, Room())
