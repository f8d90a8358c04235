import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.artifacts.table_rows import take_rows


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.lists(st.integers(0, 99), max_size=20))
def test_rows_are_those_of_arrows_own_take(sizes, wanted):
    total = sum(sizes)
    ends = np.cumsum(sizes)
    parts = [pa.table({"x": [f"row {i}" for i in range(e - s, e)]}) for s, e in zip(sizes, ends, strict=True)]
    table = pa.concat_tables([part.cast(pa.schema({"x": pa.string()})) for part in parts])
    rows = np.array([row for row in wanted if row < total], np.int64)
    assert take_rows(table, rows).equals(table.take(pa.array(rows)).combine_chunks())


def test_rows_that_are_not_there():
    with pytest.raises(IndexError, match="rows 0 to 2 of a table of 2 rows"):
        take_rows(pa.table({"x": [1, 2]}), np.array([0, 2]))
    with pytest.raises(IndexError):
        take_rows(pa.table({"x": [1, 2]}), np.array([-1]))


def test_more_text_than_one_array_can_hold():
    table = pa.table({"x": pa.chunked_array([pa.array(["x" * 100_000] * 6)] * 4_000)})
    assert table.nbytes > 2**31
    assert take_rows(table, np.array([23_999, 0]))["x"].to_pylist()[0] == "x" * 100_000
