r"""What was left out, in files that a person can read: a line each, with where it stood, why, and its text.

``rejects/<corpus>.tsv.zst`` has the columns file, line, languages, reason, detail, a, b, in the order of the corpus. Tabs,
line ends and backslashes in the text are written as ``\t``, ``\n``, ``\r`` and ``\\``; long text is cut.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import zstandard

from pipeline.prepare.account import Account
from pipeline.prepare.spill import SortedRun, Spill

COLUMNS = ("file", "line", "languages", "reason", "detail", "a", "b")
SHOWN_CHARS = 1_000
FIELDS = pl.Schema({"order": pl.Int64, "corpus": pl.UInt16, **dict.fromkeys(COLUMNS, pl.String), "line": pl.Int64})


class Rejects:
    """Collects rejects in any order; counts them; writes them in the order of the corpora."""

    def __init__(self, account: Account, folder: Path, memory_bytes: int) -> None:
        self.account, self.folder, self.memory_bytes = account, folder, memory_bytes
        self._run = SortedRun(folder / "rejects.arrows")

    def add(self, frame: pl.DataFrame) -> None:
        """Take rejected rows: at least the columns of `FIELDS`, ``detail`` excepted."""
        if frame.height == 0:
            return
        if "detail" not in frame.columns:
            frame = frame.with_columns(pl.lit(None, pl.String).alias("detail"))
        frame = frame.with_columns(pl.col(side).str.head(SHOWN_CHARS) for side in ("a", "b"))
        frame = frame.select(FIELDS.names()).cast(FIELDS)
        self.account.rejected(frame)
        self._run.add(frame)

    def write(self, folder: Path, total: int) -> None:
        """Write the files of all corpora, also of those without rejects; rows have an ``order`` below ``total``."""
        scale = (1 << 64) // (total + 1)
        sort = Spill(self.folder / "rejects", pl.col("order").cast(pl.UInt64) * scale, self.memory_bytes)
        for frame in self._run.frames():
            sort.add(frame)
        for name in self.account.names:
            _append(folder / f"{name}.tsv.zst", "\t".join(COLUMNS) + "\n")
        for frame in sort.partitions():
            for (corpus,), part in (
                frame.sort("order").partition_by("corpus", as_dict=True, maintain_order=True).items()
            ):
                _append(folder / f"{self.account.names[corpus]}.tsv.zst", _as_text(part))


def _append(path: Path, text: str) -> None:
    # One zstd frame for each part; readers take frames in a row as one file.
    with path.open("ab") as opened:
        opened.write(zstandard.ZstdCompressor(level=3).compress(text.encode()))


def _as_text(frame: pl.DataFrame) -> str:
    frame = frame.with_columns(pl.col("languages").str.replace(" ", "-", literal=True))
    fields = [_escaped(pl.col(column).cast(pl.String).fill_null("")) for column in COLUMNS]
    lines = frame.select(pl.concat_str(fields, separator="\t"))
    return "\n".join(lines.to_series().to_list()) + "\n"


def _escaped(text: pl.Expr) -> pl.Expr:
    for raw, shown in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.str.replace_all(raw, shown, literal=True)
    return text
