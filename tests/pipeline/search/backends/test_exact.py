"""Exact search in blocks and by several workers against the whole in one process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from exact_search import mutual_neighbors
from search_sides import MEMORY, Several, folder, same

from pipeline.search import blocks
from pipeline.search.backends import exact
from pipeline.search.folder_rows import SelectedVectors
from pipeline.search.job import SearchWorkers
from pipeline.search.scratch import ScratchArrays
from pipeline.search.vectors import VectorError
from pipeline.search.workers import StoredSide

SEVERAL = SearchWorkers(Several())


@pytest.mark.parametrize(("rows_a", "rows_b"), [(2500, 700), (160, 161), (161, 330), (3, 900), (0, 400)])
def test_ranges_give_the_neighbors_of_the_whole_bit_by_bit(tmp_path: Path, rows_a: int, rows_b: int):
    x, y = folder(tmp_path / "a", max(rows_a, 1), 1), folder(tmp_path / "b", rows_b, 2)
    x = SelectedVectors(x.folder, x.rows[:rows_a])
    done: list[int] = []
    found = mutual_neighbors(x, y, 4, MEMORY, advance=lambda count=1, note="": done.append(count), workers=SEVERAL)
    same(found, mutual_neighbors(x, y, 4, MEMORY))
    assert sum(done) == rows_a


@pytest.mark.parametrize("most_rows", [160, 320, 10**6])
@pytest.mark.parametrize("k", [1, 4, 900])
@pytest.mark.parametrize("workers", [None, SEVERAL])
def test_blocks_of_both_sides_give_the_neighbors_of_the_whole_bit_by_bit(
    tmp_path: Path, monkeypatch, most_rows: int, k: int, workers: SearchWorkers | None
):
    monkeypatch.setattr(exact, "block_rows", lambda k, memory_bytes, tile: most_rows)
    x, y = folder(tmp_path / "a", 900, 1), folder(tmp_path / "b", 700, 2)
    done: list[int] = []
    given = {"scratch": ScratchArrays(tmp_path / "arrays"), "workers": workers}
    found = mutual_neighbors(x, y, k, MEMORY, advance=lambda count=1, note="": done.append(count), **given)
    same(found, mutual_neighbors(x, y, k, MEMORY))
    assert isinstance(found.backward_row, np.memmap)
    assert sum(done) == 900


def test_a_vector_without_direction_is_named_as_in_the_whole(tmp_path: Path):
    x, y = folder(tmp_path / "a", 900, 1, zero=True), folder(tmp_path / "b", 20, 2)
    with pytest.raises(VectorError) as whole:
        mutual_neighbors(x, y, 4, MEMORY)
    with pytest.raises(VectorError) as found:
        mutual_neighbors(x, y, 4, MEMORY, workers=SEVERAL)
    assert str(found.value) == str(whole.value)


def test_vectors_that_are_in_no_folder_are_not_given_to_workers():
    with pytest.raises(TypeError, match="in no folder"):
        mutual_neighbors(*(np.ones((300, 2), np.float16) for _ in range(2)), 4, MEMORY, workers=SEVERAL)


def test_rows_go_to_workers_in_a_file_where_they_are_many(tmp_path: Path):
    x = folder(tmp_path / "a", 30, 1)
    x = SelectedVectors(x.folder, x.rows[::3])
    for arrays in (ScratchArrays(), ScratchArrays(tmp_path / "arrays")):
        stored = StoredSide.of(x, arrays, "rows-a")
        assert isinstance(stored.rows, Path) == (arrays.folder is not None)
        opened = stored.open()
        np.testing.assert_array_equal(opened[:], x[:])
        np.testing.assert_array_equal(opened.take(np.array([4, 0])), x.take(np.array([4, 0])))


def test_neighbours_that_do_not_fit_into_memory_are_the_same(tmp_path: Path):
    x, y = folder(tmp_path / "a", 900, 1), folder(tmp_path / "b", 700, 2)
    found = mutual_neighbors(x[:], y[:], 4, MEMORY, scratch=ScratchArrays(tmp_path / "arrays"))
    same(found, mutual_neighbors(x, y, 4, MEMORY))
    assert blocks.block_rows(4, MEMORY, 160) == 3840
