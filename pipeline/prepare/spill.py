"""More rows than memory: partitions on disk, by ranges of a 64-bit number.

Rows go to one of 64 files by the top bits of a hash or key; rows that must meet (duplicates, equal sentences) have the same
number and so the same file. Reading hands out the partitions in ascending order, neighbours together as far as memory
allows; a partition that is too large by itself is split again by the next bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

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
        memory_bytes: the memory that work on a partition may take (see `SHARE`).
        level: how many splits came before.
    """

    def __init__(self, folder: Path, by: pl.Expr, memory_bytes: int, level: int = 0) -> None:
        folder.mkdir(parents=True)
        self.folder, self.by, self.memory_bytes, self.level = folder, by, memory_bytes, level
        self.rows = 0
        self._buffer: list[pl.DataFrame] = []
        self._buffered: float = 0
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
            # A whole stream is appended each time, so that no files stay open: several spills of 64 would be too many.
            table = _table(part)
            with self._path(number).open("ab") as sink, _stream(sink, table.schema) as writer:
                writer.write_table(table)
            self._bytes[number] = self._bytes.get(number, 0) + part.estimated_size()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:03d}.arrows"

    def partitions(self) -> Iterator[pl.DataFrame]:
        """The partitions in ascending order; each is deleted from the disk once it was read."""
        if not self._bytes:  # everything is still in memory: no need for the disk
            frames, self._buffer = self._buffer, []
            if frames:
                yield pl.concat(frames)
            return
        self._flush()
        together: list[int] = []
        for number in sorted(self._bytes):
            if self._fits([*together, number]):
                together.append(number)
                continue
            yield from self._read(together)
            together = []
            if self._fits([number]) or self.level + 1 >= MAX_LEVEL:
                together.append(number)
            else:
                yield from self._split(number)
        yield from self._read(together)

    def _fits(self, numbers: list[int]) -> bool:
        return sum(self._bytes[number] for number in numbers) * SHARE <= self.memory_bytes

    def _read(self, numbers: list[int]) -> Iterator[pl.DataFrame]:
        """Neighbouring partitions as one, as many as memory allows: each costs some milliseconds, however small."""
        if not numbers:
            return
        paths = [self._path(number) for number in numbers]
        yield pl.concat([frame for path in paths for frame in read_frames(path)])
        for path in paths:
            path.unlink()

    def _split(self, number: int) -> Iterator[pl.DataFrame]:
        inner = Spill(self.folder / f"{number:03d}", self.by, self.memory_bytes, self.level + 1)
        for frame in read_frames(self._path(number)):
            inner.add(frame)
        self._path(number).unlink()
        yield from inner.partitions()


class SortedRun:
    """Rows in the order in which they come, in a file that is made with the first of them."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, 0
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Append rows; all frames have one schema."""
        if frame.height == 0:
            return
        table = _table(frame)
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _stream(str(self.path), table.schema)
        self._writer.write_table(table)
        self.rows += frame.height

    def frames(self) -> Iterator[pl.DataFrame]:
        """What was appended, as often as asked, in batches; nothing can be appended any more."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if not self.rows:
            return
        yield from read_frames(self.path)


def _stream(sink: BinaryIO | str, schema: pa.Schema) -> pa.ipc.RecordBatchStreamWriter:
    return pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))


def _table(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def read_frames(path: Path) -> Iterator[pl.DataFrame]:
    """The batches of a file that `Spill` or `SortedRun` wrote: streams one after the other."""
    size = path.stat().st_size
    with path.open("rb") as source:
        while source.tell() < size:
            with pa.ipc.open_stream(source) as reader:
                yield from map(pl.DataFrame, reader)
