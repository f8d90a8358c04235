"""The texts of what is mined, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.artifacts.folders import TextFolder
from pipeline.artifacts.table_rows import take_rows
from pipeline.ground.arrays import Rows


@dataclass(frozen=True)
class RowTexts:
    """The texts of a side, row by row as its vectors.

    Attributes:
        count: the number of rows.
        read: the texts [r] of some rows [r], in their order; some megabytes of them at a time.
    """

    count: int
    read: Callable[[Rows], pl.Series]

    def __len__(self) -> int:
        return self.count

    @classmethod
    def of(cls, texts: pl.Series) -> RowTexts:
        """Texts in memory."""
        return cls(len(texts), lambda rows: texts.gather(rows))

    @classmethod
    def of_table(cls, table: pa.Table, first: Rows) -> RowTexts:
        """The column ``text`` of a memory-mapped table, in some of its rows [n]."""
        texts = table.select(["text"])
        return cls(len(first), lambda rows: _series(take_rows(texts, first[rows]).column("text")))

    @classmethod
    def of_folder(cls, texts: TextFolder, chosen: Rows) -> RowTexts:
        """Some rows [n] of a folder."""
        return cls(len(chosen), lambda rows: _series(texts.column("text", chosen[rows])))

    def picked(self, chosen: Rows) -> RowTexts:
        """Some of the rows [n]."""
        return RowTexts(len(chosen), lambda rows: self.read(chosen[rows]))

    def then(self, others: RowTexts) -> RowTexts:
        """The same rows, and others after them."""

        def read(rows: Rows) -> pl.Series:
            own = rows < len(self)
            texts = pl.concat([self.read(rows[own]), others.read(rows[~own] - len(self))])
            place = np.empty(len(rows), np.int64)
            place[np.concatenate([np.flatnonzero(own), np.flatnonzero(~own)])] = np.arange(len(rows))
            return texts.gather(place)

        return RowTexts(len(self) + len(others), read)


def _series(texts: pa.ChunkedArray | pa.Array) -> pl.Series:
    return pl.Series("text", texts, dtype=pl.String)
