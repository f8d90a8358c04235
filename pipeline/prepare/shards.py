"""From rows on disk to sorted shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.artifacts.shards import KEY, key_array, shard_path, write_shard
from pipeline.ground.hashing import Keys, as_keys, shard_count, shard_of
from pipeline.prepare.spill import SortedRun


def write_shards(run: SortedRun, folder: Path, schema: pa.Schema, made_by: dict[str, Any], shard_rows: int) -> None:
    """Cut a run of rows, sorted by their key in the column ``id``, into shards. Holds one shard.

    Args:
        run: the rows, with the schema's columns.
        folder: where to.
        schema: the artifact's.
        made_by: its metadata.
        shard_rows: see `pipeline.config.prepare.Prepare`.
    """
    count = shard_count(run.rows, shard_rows)
    written = 0
    held: list[pl.DataFrame] = []
    for shard, part in _by_shard(run.frames(), count):
        while written < shard:
            write_shard(shard_path(folder, written), _table(held, schema), made_by, count)
            written, held = written + 1, []
        held.append(part)
    while written < count:
        write_shard(shard_path(folder, written), _table(held, schema), made_by, count)
        written, held = written + 1, []


def _by_shard(frames: Iterator[pl.DataFrame], count: int) -> Iterator[tuple[int, pl.DataFrame]]:
    for frame in frames:
        shards = shard_of(column_keys(frame["id"]), count)
        cuts = np.flatnonzero(np.diff(shards)) + 1
        for start, end in zip([0, *cuts.tolist()], [*cuts.tolist(), frame.height], strict=True):
            yield int(shards[start]), frame.slice(start, end - start)


def column_keys(column: pl.Series) -> Keys:
    """A binary column of keys as an array [n] of dtype S16."""
    return as_keys(column.to_list())


def _table(frames: list[pl.DataFrame], schema: pa.Schema) -> pa.Table:
    if not frames:
        return schema.empty_table()
    frame = pl.concat(frames)
    columns = [_column(frame[field.name], field) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _column(series: pl.Series, field: pa.Field) -> pa.Array:
    if field.type == KEY:
        return key_array(column_keys(series))
    array = series.to_arrow(compat_level=pl.CompatLevel.oldest())
    return array.cast(field.type)
