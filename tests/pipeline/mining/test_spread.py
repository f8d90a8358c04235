"""Exact mining by ranges of rows against the whole product."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.artifacts import fixed_list_array, key_array, shard_path, vector_schema, write_shard
from pipeline.compute.here import Here
from pipeline.folders import VectorFolder
from pipeline.hashing import as_keys, text_key
from pipeline.mining.neighbors import mutual_neighbors
from pipeline.mining.selected import SelectedVectors
from pipeline.mining.spread import row_ranges, spread_neighbors
from pipeline.mining.vectors import VectorError

MEMORY = 1 << 20
"""Tiles of 160 rows and slabs of a few tiles."""


class Several(Here):
    """One process, but the ranges of several workers."""

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


@pytest.mark.parametrize(("rows_a", "rows_b"), [(2500, 700), (160, 1), (161, 330), (3, 900)])
def test_ranges_give_the_neighbors_of_the_whole_bit_by_bit(tmp_path: Path, rows_a: int, rows_b: int):
    x, y = folder(tmp_path / "a", rows_a, 1), folder(tmp_path / "b", rows_b, 2)
    done: list[int] = []
    found = spread_neighbors(Several(), x, y, 4, MEMORY, lambda count=1, note="": done.append(count))
    whole = mutual_neighbors(x, y, 4, MEMORY)
    for name in ("forward_similarity", "forward_row", "backward_similarity", "backward_row"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name), err_msg=name)
    assert sum(done) == rows_a


def test_a_vector_without_direction_is_named_as_in_the_whole(tmp_path: Path):
    x, y = folder(tmp_path / "a", 900, 1, zero=True), folder(tmp_path / "b", 20, 2)
    with pytest.raises(VectorError) as whole:
        mutual_neighbors(x, y, 4, MEMORY)
    with pytest.raises(VectorError) as found:
        spread_neighbors(Several(), x, y, 4, MEMORY, lambda count=1, note="": None)
    assert str(found.value) == str(whole.value)


@pytest.mark.parametrize(
    ("rows", "tile", "most"), [(0, 32, 4), (1, 32, 4), (1000, 32, 4), (4096, 2048, 64), (97, 32, 3)]
)
def test_ranges_cover_all_rows_and_begin_with_tiles(rows: int, tile: int, most: int):
    ranges = row_ranges(rows, tile, most)
    assert [row for start, stop in ranges for row in range(start, stop)] == list(range(rows))
    assert len(ranges) <= most
    assert all(start % tile == 0 for start, _ in ranges)
