"""The vector store: each unique sentence is embedded once, ever, per encoder.

The store is content-addressed and lives outside any pipeline run's outputs. A folder per encoder identity (whose hash covers
all that a vector depends on but the text) holds segments: Arrow files of sorted keys and their vectors, named by the range of
keys they cover and by their content. A segment is written whole or not at all and never changed, so processes may share a
store without locks; writing the same vectors twice is harmless.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts import fixed_list_array, key_array, open_shard, vector_schema, write_shard
from pipeline.atomic import write_text
from pipeline.hashing import Keys, canonical_json, identity_hash, locate

IDENTITY_FILE = "identity.json"


class VectorStore:
    """The vectors of one encoder.

    Args:
        root: the store's folder.
        identity: everything that a vector depends on besides the text (see `pipeline.encoders`).
        dimension: of the vectors.
    """

    def __init__(self, root: Path, identity: Mapping[str, Any], dimension: int) -> None:
        self.identity, self.dimension = dict(identity), dimension
        self.folder = root / identity_hash(identity)
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / IDENTITY_FILE).exists():
            write_text(self.folder / IDENTITY_FILE, canonical_json(identity) + "\n")

    def lookup(self, keys: Keys) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
        """The vectors [n, d] of sorted keys [n], and which of them were found [n] (the others' rows are zero).

        Holds the result in memory; segments are memory-mapped, and only those whose range meets the keys'.
        """
        vectors = np.zeros((len(keys), self.dimension), dtype=np.float16)
        found = np.zeros(len(keys), dtype=np.bool_)
        if len(keys) == 0:
            return vectors, found
        for path in self._segments(keys[0].ljust(16, b"\0").hex(), keys[-1].ljust(16, b"\0").hex()):
            segment = open_shard(path)
            rows = locate(segment.keys, keys)
            new = (rows >= 0) & ~found
            vectors[new] = segment.vectors[rows[new]]
            found |= new
        return vectors, found

    def add(self, keys: Keys, vectors: NDArray[np.float16]) -> None:
        """Write a segment of sorted keys [n] and their vectors [n, d]; durable when this returns."""
        if len(keys) == 0:
            return
        schema = vector_schema(self.dimension)
        table = pa.Table.from_arrays([key_array(keys), fixed_list_array(vectors, pa.float16())], schema=schema)
        content = hashlib.blake2b(keys.tobytes(), digest_size=8)
        content.update(np.ascontiguousarray(vectors).tobytes())
        first, last = keys[0].ljust(16, b"\0").hex(), keys[-1].ljust(16, b"\0").hex()
        name = f"{first}-{last}-{content.hexdigest()}.arrow"
        write_shard(self.folder / name, table, {"kind": "store-segment", "identity": self.identity})

    def _segments(self, first: str, last: str) -> Iterator[Path]:
        for path in sorted(self.folder.glob("*.arrow")):
            low, high, _ = path.stem.split("-")
            if low <= last and high >= first:
                yield path


@dataclass(frozen=True)
class StoreEntry:
    """What a store holds of one encoder.

    Attributes:
        folder: where.
        identity: the encoder, as JSON text.
        vectors: how many rows its segments hold.
        size: in bytes.
        days_unused: since the newest segment was written.
    """

    folder: Path
    identity: str
    vectors: int
    size: int
    days_unused: float


def list_store(root: Path) -> list[StoreEntry]:
    """What a store holds, by encoder."""
    entries = []
    for identity_file in sorted(root.glob(f"*/{IDENTITY_FILE}")):
        folder = identity_file.parent
        segments = sorted(folder.glob("*.arrow"))
        newest = max((path.stat().st_mtime for path in [*segments, identity_file]), default=0.0)
        entries.append(
            StoreEntry(
                folder=folder,
                identity=identity_file.read_text(encoding="utf-8").strip(),
                vectors=sum(len(open_shard(path)) for path in segments),
                size=sum(path.stat().st_size for path in segments),
                days_unused=(time.time() - newest) / 86_400,
            )
        )
    return entries


def prune_store(root: Path, unused_days: float) -> list[StoreEntry]:
    """Delete the vectors of encoders that nothing was added to for ``unused_days``; returns what was deleted."""
    deleted = [entry for entry in list_store(root) if entry.days_unused >= unused_days]
    for entry in deleted:
        shutil.rmtree(entry.folder)
    return deleted
