"""Row access to a whole folder of shards: rows are numbered through the shards, whose keys are sorted.

Values stay memory-mapped; only what is asked for is in memory, and keys (16 bytes a row) from when they are first needed as
a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts.shards import KEY_DTYPE, Shard, all_keys, open_folder
from pipeline.artifacts.table_rows import take_rows
from pipeline.artifacts.tokens import TokenBatch
from pipeline.console.errors import ArtifactError
from pipeline.ground.hashing import Keys, locate

FEW = 16
"""Where a sixteenth of a folder's rows or fewer are looked for, its keys are not put together."""


def shard_tokens(shard: Shard) -> TokenBatch:
    """A token shard as a batch; the ids are a view of the memory map."""
    column = shard.table.column("tokens")
    if len(column) == 0:
        return TokenBatch(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64))
    array = column.chunk(0)
    offsets = np.asarray(array.offsets)
    values = np.asarray(array.values)[offsets[0] : offsets[-1]]
    return TokenBatch(values, np.diff(offsets).astype(np.int64))


class _Folder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shards = open_folder(folder)
        self.first_rows = np.cumsum([0] + [len(shard) for shard in self.shards])

    def __len__(self) -> int:
        return int(self.first_rows[-1])

    @cached_property
    def keys(self) -> Keys:
        """The keys of all rows [n], sorted; held from then on."""
        return all_keys(self.shards)

    def keys_of(self, rows: NDArray[np.int64]) -> Keys:
        """The keys [m] of some rows [m], in their order."""
        found = np.empty(len(rows), KEY_DTYPE)
        for shard, places, inner in self._by_shard(rows):
            found[places] = self.shards[shard].keys[inner]
        return found

    def has_keys_of(self, other: _Folder) -> bool:
        """Whether another folder's rows are of the same keys; no folder's keys are held if their shards are alike."""
        if np.array_equal(self.first_rows, other.first_rows):
            pairs = zip(self.shards, other.shards, strict=True)
            return all(np.array_equal(one.keys, another.keys) for one, another in pairs)
        return np.array_equal(self.keys, other.keys)

    @property
    def made_by(self) -> dict[str, Any]:
        """The metadata of the shards."""
        return self.shards[0].made_by

    def rows_of(self, wanted: Keys) -> NDArray[np.int64]:
        """The row [m] of each wanted key [m].

        Raises:
            ArtifactError: if any is not here.
        """
        few = len(wanted) * FEW < len(self) and "keys" not in vars(self)
        rows = self._located(wanted) if few else locate(self.keys, wanted)
        if (missing := int(np.count_nonzero(rows < 0))) > 0:
            raise ArtifactError(self.folder, f"{missing} of {len(wanted)} sentences are not here; run its stage again")
        return rows

    def _located(self, wanted: Keys) -> NDArray[np.int64]:
        """The row [m] of each wanted key [m], -1 where there is none; no keys are held."""
        rows = np.full(len(wanted), -1, np.int64)
        filled = [index for index, shard in enumerate(self.shards) if len(shard)]
        where = np.searchsorted(np.array([self.shards[index].keys[0] for index in filled]), wanted, side="right") - 1
        for place in np.unique(where[where >= 0]):
            here = np.flatnonzero(where == place)
            found = locate(self.shards[filled[place]].keys, wanted[here])
            rows[here[found >= 0]] = found[found >= 0] + self.first_rows[filled[place]]
        return rows

    def _by_shard(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
        """Some rows [m] by shard: its number, which places among the m are its, and which of its rows they are."""
        where = np.searchsorted(self.first_rows, rows, side="right") - 1
        for shard in np.unique(where).tolist():
            places = np.flatnonzero(where == shard)
            yield shard, places, rows[places] - self.first_rows[shard]


class TokenFolder(_Folder):
    """The token ids of a folder.

    Attributes:
        batches: the ids of each shard, memory-mapped.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.batches = [shard_tokens(shard) for shard in self.shards]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row [n]."""
        return np.concatenate([batch.lengths for batch in self.batches])

    def select(self, rows: NDArray[np.int64]) -> TokenBatch:
        """The tokens of some rows, in their order."""
        if len(self.batches) == 1:
            return self.batches[0].select(rows)
        if len(self.batches) == 1:
            return self.batches[0].select(rows)
        # Gathered shard by shard, end to end; then once more, into the order that was asked for.
        parts = list(self._by_shard(rows))
        back = np.empty(len(rows), np.int64)
        back[np.concatenate([rows[:0], *(places for _, places, _ in parts)])] = np.arange(len(rows))
        return TokenBatch.joined([self.batches[shard].select(inner) for shard, _, inner in parts]).select(back)


class VectorFolder(_Folder):
    """The vectors of a folder."""

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        return int(self.shards[0].table.schema.field("vector").type.list_size)

    def select(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """The vectors [m, d] of some rows [m], in their order."""
        vectors = np.empty((len(rows), self.dimension), dtype=np.float16)
        for shard, places, inner in self._by_shard(rows):
            vectors[places] = self.shards[shard].vectors[inner]
        return vectors

    def unit(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors [m, d] of some rows [m] as float32, normalised again: half-precision storage costs up to 6e-5."""
        vectors = self.select(rows).astype(np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = vectors / np.maximum(norms, np.float32(1e-12))
        return unit


class TextFolder(_Folder):
    """The texts of a folder, and whatever else its rows say."""

    def select(self, rows: NDArray[np.int64]) -> list[str]:
        """The texts of some rows, in their order."""
        texts: list[str] = self.column("text", rows).to_pylist()
        return texts

    def column(self, name: str, rows: NDArray[np.int64]) -> pa.Array:
        """The values of a column in some rows [m], in their order."""
        columns = [shard.table.select([name]).replace_schema_metadata() for shard in self.shards]
        return take_rows(pa.concat_tables(columns), rows).column(0).combine_chunks()

    def flagged(self, name: str) -> NDArray[np.int64]:
        """The rows where a boolean column is true."""
        flags = [shard.table.column(name).to_numpy() for shard in self.shards]
        return np.flatnonzero(np.concatenate(flags))
