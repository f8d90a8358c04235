"""Rows found by their scores and fetched are those that sorting everything gives."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.artifacts.parquet_rows import extreme_rows, fetch, scan


@given(scores=st.lists(st.integers(0, 4), max_size=30), count=st.integers(1, 8), descending=st.booleans())
@settings(max_examples=30, deadline=None)
def test_found_and_fetched_as_by_sorting(
    tmp_path_factory: pytest.TempPathFactory, scores: list[int], count: int, descending: bool
):
    path = tmp_path_factory.mktemp("rows") / "a.parquet"
    frame = pl.DataFrame(
        {"score": scores, "text": [f"t{n}" for n in range(len(scores))]}, schema_overrides={"score": pl.Int64}
    )
    frame.write_parquet(path, row_group_size=7)
    rows = extreme_rows(scan(path).collect(), "score", count, descending)
    wanted = sorted(range(len(scores)), key=lambda row: (-scores[row] if descending else scores[row], row))[:count]
    assert rows == wanted
    assert fetch(path, rows, ["text"])["text"].to_list() == [f"t{row}" for row in wanted]


def test_numbers_are_those_of_the_file_after_a_filter(tmp_path: Path):
    pl.DataFrame({"score": [3, 1, 2], "kept": [False, True, True]}).write_parquet(tmp_path / "a.parquet")
    kept = scan(tmp_path / "a.parquet").filter(pl.col("kept")).collect()
    assert extreme_rows(kept, "score", 5, descending=True) == [2, 1]


def test_rows_come_in_the_order_and_number_asked_for(tmp_path: Path):
    pl.DataFrame({"n": range(20)}).write_parquet(tmp_path / "a.parquet", row_group_size=3)
    assert fetch(tmp_path / "a.parquet", [19, 0, 7, 7], ["n"])["n"].to_list() == [19, 0, 7, 7]
    assert fetch(tmp_path / "a.parquet", [], ["n"]).schema == {"n": pl.Int64}
