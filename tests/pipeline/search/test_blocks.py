"""Products cut into blocks, and what blocks give merged."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.search.best import EMPTY, decode_row, decode_similarity, encode
from pipeline.search.blocks import Block, Merged, block_rows, cut, row_ranges
from pipeline.search.scratch import ScratchArrays


@pytest.mark.parametrize(
    ("rows", "tile", "wanted"), [(0, 32, 4), (1, 32, 4), (1000, 32, 4), (4096, 2048, 64), (97, 32, 3)]
)
def test_ranges_cover_all_rows_and_begin_with_tiles(rows: int, tile: int, wanted: int):
    ranges = row_ranges(rows, tile, wanted)
    assert [row for start, stop in ranges for row in range(start, stop)] == list(range(rows))
    assert len(ranges) <= wanted
    assert all(start % tile == 0 for start, _ in ranges)


@given(st.integers(0, 300), st.integers(0, 300), st.sampled_from([1, 32]), st.integers(1, 200), st.integers(1, 40))
def test_blocks_cover_every_pair_once(rows_a: int, rows_b: int, tile: int, most: int, wanted: int):
    seen = np.zeros((rows_a, rows_b), np.int64)
    counted: list[int] = []
    for block in cut(rows_a, rows_b, tile, max(most // tile, 1) * tile, wanted):
        seen[slice(*block.a), slice(*block.b)] += 1
        for start, stop in (block.a, block.b):
            assert start % tile == 0
            assert stop - start <= max(most, tile)
        count, rows = block.share(counted.append), block.a[1] - block.a[0]
        for more in (rows // 3, rows - rows // 3):
            count(more)
    assert np.all(seen == 1)
    assert sum(counted) == rows_a


def test_sides_rest_in_half_of_the_memory():
    rows = block_rows(4, 512 << 20, 2048)
    assert rows % 2048 == 0
    assert 2 * rows * (16 * 4 + 4) <= 256 << 20 < 2 * (rows + 2048) * (16 * 4 + 4)
    assert block_rows(4, 1, 2048) == 2048


@given(st.integers(1, 30), st.integers(1, 40), st.sampled_from([1, 3, 50]), st.booleans(), st.integers(0, 2**32 - 1))
def test_blocks_in_any_order_merge_to_the_best_of_all(tmp_path_factory, rows, others, k, in_files, seed):
    generator = np.random.default_rng(seed)
    similarity = torch.from_numpy(generator.integers(-3, 4, (rows, others)).astype(np.float32) / 4)
    keys = encode(similarity, torch.arange(others).expand(rows, others))
    full = torch.full((rows, k), EMPTY)
    whole = torch.cat([keys, full], dim=1).topk(k, dim=1).values
    room = ScratchArrays(tmp_path_factory.mktemp("room") if in_files else None)
    merged = Merged(rows, k, room, "keys")
    cuts = sorted({0, others, int(generator.integers(0, others + 1))})
    spans = list(pairwise(cuts))
    for start, stop in [spans[place] for place in generator.permutation(len(spans))]:
        best = torch.cat([keys[:, start:stop], full], dim=1).topk(k, dim=1).values
        for first, last in ((0, rows // 2), (rows // 2, rows)):
            if first < last:
                merged.take((first, last), best[first:last].numpy())
    found = merged.result(("similarity", "row"))
    np.testing.assert_array_equal(found[0], decode_similarity(whole))
    np.testing.assert_array_equal(found[1], decode_row(whole))
    if room.folder is not None:
        assert {path.name for path in room.folder.iterdir()} == {"similarity", "row"}


def test_a_block_that_has_all_of_side_b_counts_its_rows():
    counted: list[int] = []
    count = Block((5, 12), (0, 3)).share(counted.append)
    count(3)
    count(4)
    assert counted == [3, 4]
    Block((0, 1), (0, 1)).share(None)(1)


def test_a_room_of_files_gives_its_room_back(tmp_path: Path):
    room = ScratchArrays.for_rows(tmp_path / "room", 1000, 4, 1000)
    array = room.array("x", np.int64, (10, 4))
    array[:] = 3
    assert room.folder is not None
    assert (room.folder / "x").stat().st_size == 320
    room.drop("x")
    assert not list(room.folder.iterdir())
    assert array.sum() == 120
    assert room.array("empty", np.int64, (0, 4)).shape == (0, 4)
    assert room.part("again").folder == tmp_path / "room" / "again"
    assert ScratchArrays.for_rows(tmp_path, 1000, 4, 1 << 20).folder is None
    assert ScratchArrays().part("again").folder is None
