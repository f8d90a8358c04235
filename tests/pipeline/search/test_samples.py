"""Samples searched in ranges against one search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exact_search import one_way
from search_sides import MEMORY, Several, folder

from pipeline.mining.judging.quality import exact_sample
from pipeline.search.job import SearchJob, SearchWorkers
from pipeline.search.samples import sampling
from pipeline.search.workers import worth_workers


@pytest.mark.parametrize("k", [1, 4, 800])
def test_ranges_give_the_bits_of_one_search(tmp_path: Path, k: int):
    x, y = folder(tmp_path / "a", 700, 1), folder(tmp_path / "b", 330, 2)
    with sampling(x, y, SearchJob(k, MEMORY, workers=SearchWorkers(Several()))) as sampler:
        for rows in (np.array([3, 4, 299]), np.arange(200), np.empty(0, np.int64)):
            for of_a, one, other in ((True, x, y), (False, y, x)):
                expected = one_way(one, rows, other, k, MEMORY)
                for mine, theirs in zip(sampler(of_a, rows), expected, strict=True):
                    np.testing.assert_array_equal(mine, theirs)
    job = SearchJob(k, MEMORY, sample=100)
    several = replace(job, workers=SearchWorkers(Several()))
    expected_sample, sample = exact_sample(x, y, job, "ratio"), exact_sample(x, y, several, "ratio")
    for name in vars(sample):
        np.testing.assert_array_equal(getattr(sample, name), getattr(expected_sample, name))


def test_a_tile_is_not_worth_workers(tmp_path: Path):
    x, y = folder(tmp_path / "a", 161, 1), folder(tmp_path / "b", 160, 2)
    job = SearchJob(4, MEMORY, workers=SearchWorkers(Several()))
    assert worth_workers(job, x, y) is job
    assert worth_workers(job, y, y).workers is None
