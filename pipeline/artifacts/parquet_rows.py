"""A few rows of a large Parquet file: first found by their scores, then fetched; text of other rows is never kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

ROW = "row"
"""The column that numbers the rows of a scanned file."""

BATCH_ROWS = 65_536


def scan(path: Path) -> pl.LazyFrame:
    """A Parquet file with its rows numbered in the column `ROW`; nothing is read yet."""
    return pl.scan_parquet(path).with_row_index(ROW)


def extreme_rows(frame: pl.DataFrame, by: str, count: int, descending: bool) -> list[int]:
    """The numbers (column `ROW`) of the first ``count`` rows by a column, ties by number."""
    return frame.select(ROW, by).sort([by, ROW], descending=[descending, False]).head(count)[ROW].to_list()


def fetch(path: Path, rows: Sequence[int], columns: Sequence[str]) -> pl.DataFrame:
    """Some rows of a file, in the order asked for, each as often as asked for.

    Reads only the row groups that they stand in, and holds one of them at a time.
    """
    wanted = sorted(set(rows))
    found: list[pa.RecordBatch] = []
    with pq.ParquetFile(path, memory_map=True) as opened:
        start = 0
        for group in range(opened.num_row_groups):
            end = start + opened.metadata.row_group(group).num_rows
            if any(start <= row < end for row in wanted):
                for batch in opened.iter_batches(BATCH_ROWS, row_groups=[group], columns=list(columns)):
                    inside = [row - start for row in wanted if start <= row < start + batch.num_rows]
                    if inside:
                        found.append(batch.take(pa.array(inside, pa.int64())))
                    start += batch.num_rows
            start = end
        schema = pa.schema([opened.schema_arrow.field(name) for name in columns])
    table = pl.DataFrame(pa.Table.from_batches(found, schema=schema))
    place = {row: number for number, row in enumerate(wanted)}
    return table[[place[row] for row in rows]]
