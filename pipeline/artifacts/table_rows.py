"""Rows of a memory-mapped table, without reading the rest of it.

Arrow's own ``take`` on a column of many chunks joins them first: a copy of all text for a few rows of it, and an error
where there are more than 2 GiB.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def take_rows(table: pa.Table, rows: NDArray[np.int64]) -> pa.Table:
    """Some rows [r] of a table, in the order given; holds these rows twice.

    >>> take_rows(pa.concat_tables([pa.table({"x": [1, 2]}), pa.table({"x": [3]})]), np.array([2, 0])).to_pydict()
    {'x': [3, 1]}
    """
    batches = table.to_batches()
    starts = np.cumsum([0, *(batch.num_rows for batch in batches)])
    if len(rows) and not 0 <= rows.min() <= rows.max() < starts[-1]:
        raise IndexError(f"rows {rows.min()} to {rows.max()} of a table of {starts[-1]} rows")
    where = np.searchsorted(starts, rows, side="right") - 1
    order = np.argsort(where, kind="stable")
    parts = [batches[batch].take(pa.array(rows[where == batch] - starts[batch])) for batch in np.unique(where).tolist()]
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return pa.Table.from_batches(parts, table.schema).combine_chunks().take(pa.array(back))
