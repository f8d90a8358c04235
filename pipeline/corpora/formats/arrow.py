"""Arrow files, of the IPC or the stream form: `pipeline.corpora.columnar` reads them."""

from __future__ import annotations

from typing import ClassVar, Literal

from pipeline.corpora.columnar import ColumnarReader


class ArrowReader(ColumnarReader):
    """Arrow files: columns of text, or a struct ``translation``."""

    format: Literal["arrow"] = "arrow"
    suffixes: ClassVar[tuple[str, ...]] = ("arrow",)
