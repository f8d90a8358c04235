"""Parquet files: `pipeline.corpora.columnar` reads them."""

from __future__ import annotations

from typing import ClassVar, Literal

from pipeline.corpora.columnar import ColumnarReader


class ParquetReader(ColumnarReader):
    """Parquet files: columns of text, or a struct ``translation``."""

    format: Literal["parquet"] = "parquet"
    suffixes: ClassVar[tuple[str, ...]] = ("parquet",)
