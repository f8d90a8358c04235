"""From rows on disk to sorted shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.artifacts.shards import KEY, key_array, shard_path, write_shard
from pipeline.ground.hashing import Keys, as_keys, shard_count, shard_of
from pipeline.prepare.spill import SortedRun


def write_shards(run: SortedRun, folder: Path, schema: pa.Schema, made_by: dict[str, Any], shard_rows: int) -> None:
    """Cut a run of rows, sorted by their key in the column ``id``, into shards of about ``shard_rows`` rows; holds one."""
    count = shard_count(run.rows, shard_rows)
    written, held = 0, list[pl.DataFrame]()
    # The parts come in the order of the shards; after the last one, `count` ends the last shard, and those without rows.
    for shard, part in chain(_by_shard(run.frames(), count), [(count, None)]):
        while written < shard:
            write_shard(shard_path(folder, written), as_table(held, schema), made_by, count)
            written, held = written + 1, []
        if part is not None:
            held.append(part)


def _by_shard(frames: Iterator[pl.DataFrame], count: int) -> Iterator[tuple[int, pl.DataFrame]]:
    """Sorted rows in parts of one shard each, with its number."""
    for frame in frames:
        shards = shard_of(column_keys(frame["id"]), count)
        cuts = np.flatnonzero(np.diff(shards)) + 1
        for start, end in zip([0, *cuts.tolist()], [*cuts.tolist(), frame.height], strict=True):
            yield int(shards[start]), frame.slice(start, end - start)


def column_keys(column: pl.Series) -> Keys:
    """A binary column of keys as an array [n] of dtype S16."""
    return as_keys(column.to_list())


def as_table(frames: Sequence[pl.DataFrame], schema: pa.Schema) -> pa.Table:
    """The rows of frames as a table of an artifact's schema; frames may have more columns than it, and there may be none."""
    if not frames:
        return schema.empty_table()
    frame = pl.concat(frames)
    return pa.Table.from_arrays([_column(frame[field.name], field.type) for field in schema], schema=schema)


def _column(series: pl.Series, kind: pa.DataType) -> pa.Array:
    if kind == KEY:
        return key_array(column_keys(series))
    return series.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(kind)
