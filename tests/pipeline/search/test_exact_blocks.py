"""Searches in blocks and by several workers against the whole in one process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.artifacts.folders import VectorFolder
from pipeline.artifacts.shards import fixed_list_array, key_array, shard_path, vector_schema, write_shard
from pipeline.compute.in_process import Here
from pipeline.config.mine import Mine
from pipeline.ground.hashing import as_keys, text_key
from pipeline.mining.mine import Search, find_neighbors
from pipeline.search import blocks, clusters
from pipeline.search import exact_blocks as spread
from pipeline.search.exact_blocks import spread_neighbors
from pipeline.search.folder_rows import SelectedVectors
from pipeline.search.neighbors import Neighbors, mutual_neighbors
from pipeline.search.scratch import Room
from pipeline.search.vectors import VectorError
from pipeline.search.workers import SearchWorkers, StoredSide

MEMORY = 1 << 20
"""Tiles of 160 rows and slabs of a few tiles."""


class Several(Here):
    """One process, but the items of several workers."""

    workers = 3


def folder(path: Path, rows: int, seed: int, zero: bool = False) -> SelectedVectors:
    vectors = np.random.default_rng(seed).standard_normal((rows, 8)).round(1).astype(np.float16)  # ties, too
    vectors[0] += 1
    if zero:
        vectors[-1] = 0
    keys = np.sort(as_keys(text_key(f"{seed} {row}") for row in range(rows)))
    columns = [key_array(keys), fixed_list_array(vectors, pa.float16())]
    write_shard(shard_path(path, 0), pa.Table.from_arrays(columns, schema=vector_schema(8)), {"kind": "vectors"})
    return SelectedVectors(VectorFolder(path), np.arange(0, rows, dtype=np.int64)[::-1].copy())


def same(one: Neighbors, other: Neighbors) -> None:
    for name in vars(one):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize(("rows_a", "rows_b"), [(2500, 700), (160, 1), (161, 330), (3, 900), (0, 400)])
def test_ranges_give_the_neighbors_of_the_whole_bit_by_bit(tmp_path: Path, rows_a: int, rows_b: int):
    x, y = folder(tmp_path / "a", max(rows_a, 1), 1), folder(tmp_path / "b", rows_b, 2)
    x = SelectedVectors(x.folder, x.rows[:rows_a])
    done: list[int] = []
    several = SearchWorkers(Several())
    found = spread_neighbors(x, y, 4, MEMORY, lambda count=1, note="": done.append(count), spread=several)
    same(found, mutual_neighbors(x, y, 4, MEMORY))
    assert sum(done) == rows_a


@pytest.mark.parametrize("most_rows", [160, 320, 10**6])
@pytest.mark.parametrize("k", [1, 4, 900])
@pytest.mark.parametrize("several", [None, SearchWorkers(Several())])
def test_blocks_of_both_sides_give_the_neighbors_of_the_whole_bit_by_bit(
    tmp_path: Path, monkeypatch, most_rows: int, k: int, several: SearchWorkers | None
):
    monkeypatch.setattr(spread, "block_rows", lambda k, memory_bytes, tile: most_rows)
    x, y = folder(tmp_path / "a", 900, 1), folder(tmp_path / "b", 700, 2)
    done: list[int] = []
    room = Room(tmp_path / "room")
    found = spread_neighbors(x, y, k, MEMORY, lambda count=1, note="": done.append(count), room, several)
    same(found, mutual_neighbors(x, y, k, MEMORY))
    assert isinstance(found.backward_row, np.memmap)
    assert sum(done) == 900


def test_a_vector_without_direction_is_named_as_in_the_whole(tmp_path: Path):
    x, y = folder(tmp_path / "a", 900, 1, zero=True), folder(tmp_path / "b", 20, 2)
    with pytest.raises(VectorError) as whole:
        mutual_neighbors(x, y, 4, MEMORY)
    with pytest.raises(VectorError) as found:
        spread_neighbors(x, y, 4, MEMORY, spread=SearchWorkers(Several()))
    assert str(found.value) == str(whole.value)


def test_vectors_that_are_in_no_folder_are_not_given_to_workers():
    with pytest.raises(TypeError, match="in no folder"):
        spread_neighbors(
            np.ones((3, 2), np.float16), np.ones((3, 2), np.float16), 4, MEMORY, spread=SearchWorkers(Several())
        )


def test_rows_go_to_workers_in_a_file_where_they_are_many(tmp_path: Path):
    x = folder(tmp_path / "a", 30, 1)
    x = SelectedVectors(x.folder, x.rows[::3])
    for room in (Room(), Room(tmp_path / "room")):
        stored = StoredSide.of(x, room, "rows-a")
        assert isinstance(stored.rows, Path) == (room.folder is not None)
        opened = stored.open()
        np.testing.assert_array_equal(opened[:], x[:])
        np.testing.assert_array_equal(opened.take(np.array([4, 0])), x.take(np.array([4, 0])))


CLUSTERS = Mine(search="approximate", recall=0.9, memory_bytes=MEMORY, sample=100)


@pytest.mark.parametrize("most_rows", [160, 480, 10**6])
@pytest.mark.parametrize("in_files", [False, True])
@pytest.mark.parametrize(("rows_a", "rows_b"), [(900, 700), (2, 161), (161, 1)])
def test_clusters_in_blocks_give_the_bytes_of_one_process(
    tmp_path: Path, monkeypatch, most_rows: int, in_files: bool, rows_a: int, rows_b: int
):
    x, y = folder(tmp_path / "a", rows_a, 1), folder(tmp_path / "b", rows_b, 2)
    alone = find_neighbors(x, y, CLUSTERS, tmp_path / "indexes", seed=3)
    monkeypatch.setattr(clusters, "block_rows", lambda k, memory_bytes, tile: most_rows)
    done: list[int] = []
    found = find_neighbors(
        x,
        y,
        CLUSTERS,
        tmp_path / "indexes",
        3,
        lambda count=1, note="": done.append(count),
        room=Room(tmp_path / "room" if in_files else None),
        spread=SearchWorkers(Several()),
    )
    same(found.neighbors, alone.neighbors)
    assert (found.about, found.tuned) == (alone.about, alone.tuned)
    assert sum(done) == rows_a
    assert not list((tmp_path / "indexes").iterdir())


def test_copies_that_sketches_can_t_tell_apart_go_to_the_lower_row_whatever_the_cut(tmp_path: Path, monkeypatch):
    """Far more copies than are candidates, in clusters that come in another order than rows."""
    vectors = np.random.default_rng(5).standard_normal((12, 8)).astype(np.float16)[np.arange(600) % 12]
    x, y = vectors[:400], vectors[::-1].copy()
    found: list[Search] = []
    for most_rows in (10**6, 160):
        monkeypatch.setattr(clusters, "block_rows", lambda *_, most_rows=most_rows: most_rows)
        found.append(find_neighbors(x, y, CLUSTERS, tmp_path, room=Room(tmp_path / f"room-{most_rows}")))
    same(found[0].neighbors, found[1].neighbors)
    exact = mutual_neighbors(x, y, 4, MEMORY)
    assert (found[0].neighbors.forward_row == exact.forward_row).mean() > 0.9


def test_exact_mining_whose_neighbours_do_not_fit_is_the_same(tmp_path: Path):
    x, y = folder(tmp_path / "a", 900, 1), folder(tmp_path / "b", 700, 2)
    options = Mine(memory_bytes=MEMORY)
    found = find_neighbors(x[:], y[:], options, room=Room(tmp_path / "room"))
    same(found.neighbors, find_neighbors(x, y, options).neighbors)
    assert blocks.block_rows(4, MEMORY, 160) == 3840
