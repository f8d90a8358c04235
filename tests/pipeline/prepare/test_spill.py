from itertools import pairwise

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.prepare.spill import SortedRun, Spill


def spill(folder, values, memory, batch=50):
    out = Spill(folder, pl.col("v"), memory)
    for start in range(0, len(values), batch):
        part = values[start : start + batch]
        out.add(pl.DataFrame({"v": pl.Series(part, dtype=pl.UInt64), "text": [str(value) for value in part]}))
    return list(out.partitions())


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=300), st.sampled_from([1, 500, 5_000, 1 << 20]))
def test_nothing_is_lost_equals_meet_and_partitions_ascend(tmp_path_factory, values, memory):
    frames = spill(tmp_path_factory.mktemp("s") / "x", values, memory)
    assert sorted(v for frame in frames for v in frame["v"]) == sorted(values)
    assert all(frame.filter(pl.col("text") != pl.col("v").cast(pl.String)).is_empty() for frame in frames)
    borders = [(frame["v"].min(), frame["v"].max()) for frame in frames]
    assert all(before[1] < after[0] for before, after in pairwise(borders))


def test_large_partitions_are_split_again_and_the_disk_is_freed(tmp_path):
    values = [(i % 1000) << 20 for i in range(5000)]  # too close together to be split
    frames = spill(tmp_path / "x", [value << 45 for value in range(5000)], 10_000)
    assert len(frames) > 1
    assert max(frame.height for frame in frames) < 5000
    assert sum(frame.height for frame in spill(tmp_path / "y", values, 10_000)) == 5000
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_run_keeps_the_order(tmp_path):
    run = SortedRun(tmp_path / "r.arrows")
    assert list(run.frames()) == []
    run.add(pl.DataFrame({"x": [3, 1]}))
    run.add(pl.DataFrame({"x": []}, schema={"x": pl.Int64}))
    run.add(pl.DataFrame({"x": [2]}))
    assert run.rows == 3
    for _ in range(2):
        assert [x for frame in run.frames() for x in frame["x"]] == [3, 1, 2]
