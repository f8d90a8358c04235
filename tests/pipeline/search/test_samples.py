"""Samples searched in ranges against one search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.config.mine import Mine
from pipeline.mining.judging.quality import exact_sample
from pipeline.search.neighbors import one_way
from pipeline.search.samples import sampling
from pipeline.search.workers import SearchWorkers, worth
from tests.pipeline.search.test_exact_blocks import MEMORY, Several, folder


@pytest.mark.parametrize("k", [1, 4, 800])
def test_ranges_give_the_bits_of_one_search(tmp_path: Path, k: int):
    x, y = folder(tmp_path / "a", 700, 1), folder(tmp_path / "b", 330, 2)
    with sampling(SearchWorkers(Several()), x, y, k, MEMORY) as (crew, sampler):
        assert crew is not None
        assert sampler is not None
        for rows in (np.array([3, 4, 299]), np.arange(200), np.empty(0, np.int64)):
            for of_a, one, other in ((True, x, y), (False, y, x)):
                expected = one_way(one, rows, other, k, MEMORY)
                for mine, theirs in zip(sampler(of_a, rows), expected, strict=True):
                    np.testing.assert_array_equal(mine, theirs)
        options = Mine(k=k, sample=100, memory_bytes=MEMORY)
        expected_sample, sample = exact_sample(x, y, options), exact_sample(x, y, options, sampler=sampler)
    for name in vars(sample):
        np.testing.assert_array_equal(getattr(sample, name), getattr(expected_sample, name))


def test_a_tile_is_not_worth_workers(tmp_path: Path):
    x, y = folder(tmp_path / "a", 161, 1), folder(tmp_path / "b", 160, 2)
    spread = SearchWorkers(Several())
    assert worth(spread, x, y, MEMORY) is spread
    assert worth(spread, y, y, MEMORY) is None
    with sampling(None, x, y, 4, MEMORY) as (crew, sampler):
        assert crew is None
        rows = np.array([5, 0, 160])
        for found, expected in zip(sampler(True, rows), one_way(x, rows, y, 4, MEMORY), strict=True):
            np.testing.assert_array_equal(found, expected)
