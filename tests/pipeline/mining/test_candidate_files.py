"""Candidates sorted by way of files against one sort in memory."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mining import candidate_files
from pipeline.mining.candidate_files import TYPES, CandidateFile, joined, sort_keys, sorted_parts
from pipeline.mining.retrieval import Candidates


def found(count: int, scores: int, seed: int) -> Candidates:
    """Candidates of different pairs, with few different scores (0.0 and -0.0 among them)."""
    generator = np.random.default_rng(seed)
    codes = generator.permutation(40 * 40)[:count]
    columns = {name: generator.standard_normal(count).astype(kind) for name, kind in TYPES.items()}
    values = np.array([0.0, -0.0, 1.5, -2.0, 1e-300, -np.inf, *generator.standard_normal(20)])
    columns["score"] = values[generator.integers(0, min(scores, len(values)), count)]
    return Candidates(**{**columns, "row_a": codes // 40, "row_b": codes % 40 + 2**33})


def same(one: Candidates, other: Candidates) -> None:
    for name, kind in TYPES.items():
        assert getattr(one, name).dtype == kind
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@given(
    st.integers(0, 300),
    st.integers(1, 26),
    st.integers(1, 40),
    st.sampled_from([1, 7, 50, 1000]),
    st.sampled_from([1, 3, 64]),
    st.integers(0, 2**32 - 1),
)
def test_files_give_the_order_of_one_sort(tmp_path_factory, count, scores, chunk, run_rows, samples, seed):
    every, folder = found(count, scores, seed), tmp_path_factory.mktemp("runs")
    chunks = [every.take(np.arange(start, min(start + chunk, count))) for start in range(0, count, chunk)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidate_files, "SAMPLES", samples)
        parts = list(sorted_parts(chunks, folder, run_rows))
    same(joined(parts), every.ordered())
    assert not list(folder.iterdir())


@given(st.integers(0, 200), st.integers(1, 26), st.integers(0, 2**32 - 1))
def test_keys_order_as_candidates_do(count, scores, seed):
    every = found(count, scores, seed)
    same(every.take(np.argsort(sort_keys(every))), every.ordered())


def test_stretches_are_hardly_longer_than_runs_even_where_all_scores_are_equal(tmp_path: Path):
    for scores in (1, 26):
        every = found(1600, scores, 5)
        parts = list(sorted_parts((every.take(np.arange(at, at + 20)) for at in range(0, 1600, 20)), tmp_path, 100))
        assert len(parts) > 8
        assert max(map(len, parts)) <= 300


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch):
    class Full:
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    runs = CandidateFile(tmp_path, "runs")
    monkeypatch.setattr(runs, "_files", {"score": Full()})
    with pytest.raises(OSError, match=r"No space left on device: .*runs\.score"):
        runs.append(found(3, 3, 0))
    runs.delete()
    assert not list(tmp_path.iterdir())
