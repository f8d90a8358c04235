"""More rows than memory: partitions on disk, by ranges of a 64-bit number.

Rows go to one of 64 files by the top bits of a hash or key; rows that must meet (duplicates, equal sentences) have the same
number and so the same file. Reading hands out the partitions in ascending order, each small enough for memory: a partition
that isn't is split again by the next bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

BITS = 6
SHARE = 16
"""The part of the allowed bytes that rows may take which wait to be written, or which are read together: sorting and joining
them makes several copies, and several spills fill at a time."""

MAX_LEVEL = 4
"""After four splits (24 bits) a partition is one value's rows, or nearly; splitting on would not help."""


class Spill:
    """Rows partitioned on disk.

    Args:
        folder: a folder of its own, made here.
        by: an expression for the number (UInt64) that rows are partitioned by.
        memory_bytes: what work on a partition may take (see `SHARE`).
        level: how many splits came before.
    """

    def __init__(self, folder: Path, by: pl.Expr, memory_bytes: int, level: int = 0) -> None:
        folder.mkdir(parents=True)
        self.folder, self.by, self.memory_bytes, self.level = folder, by, memory_bytes, level
        self.rows = 0
        self._buffer: list[pl.DataFrame] = []
        self._buffered: float = 0
        self._writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        self._bytes: dict[int, float] = {}

    def add(self, frame: pl.DataFrame) -> None:
        """Take rows; all frames have one schema."""
        if frame.height == 0:
            return
        self.rows += frame.height
        self._buffer.append(frame)
        self._buffered += frame.estimated_size()
        if self._buffered * SHARE > self.memory_bytes:
            self._flush()

    def _flush(self) -> None:
        if not self._buffer:
            return
        frame = pl.concat(self._buffer)
        self._buffer, self._buffered = [], 0
        bucket = (self.by.cast(pl.UInt64) // (1 << (64 - BITS * (self.level + 1)))) % (1 << BITS)
        parts = frame.with_columns(bucket.cast(pl.Int64).alias("_bucket")).partition_by(
            "_bucket", maintain_order=True, include_key=False, as_dict=True
        )
        for (number,), part in parts.items():
            table = part.to_arrow(compat_level=pl.CompatLevel.oldest())
            if number not in self._writers:
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                self._writers[number] = pa.ipc.new_stream(str(self._path(number)), table.schema, options=options)
            self._writers[number].write_table(table)
            self._bytes[number] = self._bytes.get(number, 0) + part.estimated_size()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:02d}.arrows"

    def partitions(self) -> Iterator[pl.DataFrame]:
        """The partitions in ascending order; each is deleted from the disk once it was read."""
        if not self._writers:  # everything is still in memory: no need for the disk
            frames, self._buffer = self._buffer, []
            if frames:
                yield pl.concat(frames)
            return
        self._flush()
        for writer in self._writers.values():
            writer.close()
        for number in sorted(self._writers):
            path = self._path(number)
            if self._bytes[number] * SHARE <= self.memory_bytes or self.level + 1 >= MAX_LEVEL:
                yield _as_frame(_read_all(path))
            else:
                inner = Spill(self.folder / f"{number:02d}", self.by, self.memory_bytes, self.level + 1)
                for frame in read_frames(path):
                    inner.add(frame)
                path.unlink()
                yield from inner.partitions()
                continue
            path.unlink()


class Run:
    """Rows in the order in which they come, on disk.

    Args:
        path: the file, made with the first rows.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, 0
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Append rows; all frames have one schema."""
        if frame.height == 0:
            return
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_stream(str(self.path), table.schema, options=options)
        self._writer.write_table(table)
        self.rows += frame.height

    def frames(self) -> Iterator[pl.DataFrame]:
        """What was appended, as often as asked, in batches; nothing can be appended any more."""
        if self._writer is None:
            return
        self._writer.close()
        yield from read_frames(self.path)


def read_frames(path: Path) -> Iterator[pl.DataFrame]:
    """The batches of a file that `Spill` or `Run` wrote."""
    with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as reader:
        for batch in reader:
            yield _as_frame(pa.Table.from_batches([batch]))


def _read_all(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as reader:
        return reader.read_all()


def _as_frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table gives a frame
    return frame
