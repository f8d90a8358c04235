"""The artifacts between stages: Arrow IPC files, memory-mapped, one record batch per shard.

A folder holds one kind of table for one language (or pair), cut into shards ``00000.arrow``, ``00001.arrow``, … by ranges of
the key in the first column, each shard sorted by it: the shards joined in order are sorted. The schema's metadata has one
entry, ``softalign``: sorted JSON that says what made the table, never a time or a path. The same rows give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.atomic import atomic_file
from pipeline.errors import ArtifactError
from pipeline.hashing import KEY_BYTES, Keys, canonical_json

FORMAT = 1
METADATA_KEY = b"softalign"
KEY = pa.binary(KEY_BYTES)
KEY_DTYPE: np.dtype[Any] = np.dtype(f"S{KEY_BYTES}")

SENTENCES = pa.schema([pa.field("id", KEY, nullable=False), pa.field("text", pa.string(), nullable=False)])
"""A unique sentence and its key."""

PAIRS = pa.schema(
    [
        pa.field("id", KEY, nullable=False),
        pa.field("a", KEY, nullable=False),
        pa.field("b", KEY, nullable=False),
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
    ]
)
"""A training pair: its key, its sentences' keys (a in the pair's first language), and where it was read first."""

MONOLINGUAL = pa.schema(
    [
        pa.field("id", KEY, nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("to_mine", pa.bool_(), nullable=False),
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("doc", pa.string(), nullable=False),
    ]
)
"""A sentence to be embedded for mining or evaluation; ``to_mine`` is true for the user's own one-sided text."""

HELDOUT = pa.schema(
    [
        pa.field("id", KEY, nullable=False),
        pa.field("set", pa.string(), nullable=False),
        pa.field("a", KEY, nullable=False),
        pa.field("b", KEY, nullable=False),
        pa.field("in_a", pa.bool_(), nullable=False),
        pa.field("in_b", pa.bool_(), nullable=False),
        pa.field("doc", pa.string(), nullable=False),
    ]
)
"""A known translation pair of the set ``dev`` or ``test``. Retrieval uses every row; mining sees side a only where
``in_a`` and side b only where ``in_b``, so a row with both is a pair to find, and one with only one is a sentence whose
translation is not there."""

TOKENS = pa.schema(
    [pa.field("id", KEY, nullable=False), pa.field("tokens", pa.list_(pa.field("item", pa.int32(), False)), False)]
)
"""A sentence's token ids, special tokens and truncation included."""


def vector_schema(dimension: int) -> pa.Schema:
    """A sentence's key and its vector, ``FixedSizeList<float16>[dimension]``."""
    item = pa.field("item", pa.float16(), nullable=False)
    return pa.schema(
        [pa.field("id", KEY, nullable=False), pa.field("vector", pa.list_(item, dimension), nullable=False)]
    )


def neighborhood_schema(k: int) -> pa.Schema:
    """A label point, the keys of its k nearest points, their similarities and soft-label weights (best first).

    A point with fewer than k others repeats nothing: the rest of its similarities is -inf and of its weights 0.
    """
    return pa.schema(
        [
            pa.field("id", KEY, nullable=False),
            pa.field("neighbor", pa.list_(pa.field("item", KEY, nullable=False), k), nullable=False),
            pa.field("similarity", pa.list_(pa.field("item", pa.float32(), nullable=False), k), nullable=False),
            pa.field("weight", pa.list_(pa.field("item", pa.float32(), nullable=False), k), nullable=False),
        ]
    )


def shard_path(folder: Path, index: int) -> Path:
    """The path of a folder's shard."""
    return folder / f"{index:05d}.arrow"


def shard_paths(folder: Path) -> list[Path]:
    """The shards of a folder in order.

    Raises:
        ArtifactError: if there are none.
    """
    paths = sorted(folder.glob("*.arrow"))
    if not paths:
        raise ArtifactError(folder, "no Arrow shards here; run the stage that writes this folder first")
    return paths


def write_shard(path: Path, table: pa.Table, made_by: Mapping[str, Any]) -> None:
    """Write a table as an uncompressed Arrow IPC file of one record batch, atomically.

    Args:
        path: where to.
        table: the rows; its schema becomes the file's.
        made_by: what made it (kind, language, model, …): JSON values, no times, no paths.
    """
    metadata = canonical_json({**made_by, "format": FORMAT})
    table = table.combine_chunks().replace_schema_metadata({METADATA_KEY: metadata.encode()})
    batches = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
    with (
        atomic_file(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)


@dataclass(frozen=True)
class Shard:
    """One memory-mapped shard: nothing is read before it is used, nothing is copied.

    Attributes:
        path: the file.
        table: its rows, in one chunk.
        made_by: the metadata of the file.
    """

    path: Path
    table: pa.Table
    made_by: dict[str, Any]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def keys(self) -> Keys:
        """The first column [n] as S16."""
        return binary_view(self.table.column(0))

    @property
    def vectors(self) -> NDArray[np.float16]:
        """The column ``vector`` as a float16 view [n, d], without a copy."""
        return fixed_list_view(self.table.column("vector"), np.dtype(np.float16))


def open_shard(path: Path) -> Shard:
    """Memory-map a shard.

    Raises:
        ArtifactError: if it is missing, not an Arrow file, truncated, or of another format version.
    """
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except FileNotFoundError:
        raise ArtifactError(path, "missing; run the stage that writes it") from None
    except (pa.ArrowInvalid, pa.ArrowException, OSError) as error:
        raise ArtifactError(path, f"not a readable Arrow file ({str(error).splitlines()[0]})") from error
    metadata = (table.schema.metadata or {}).get(METADATA_KEY)
    if metadata is None:
        raise ArtifactError(path, "an Arrow file, but not one of softalign's: its schema lacks the 'softalign' entry")
    made_by = json.loads(metadata)
    if made_by.get("format") != FORMAT:
        raise ArtifactError(path, f"format version {made_by.get('format')}, expected {FORMAT}; run its stage again")
    return Shard(path, table.combine_chunks(), made_by)


def open_folder(folder: Path) -> list[Shard]:
    """Memory-map all shards of a folder, in order."""
    return [open_shard(path) for path in shard_paths(folder)]


def iterate_shards(folder: Path) -> Iterator[Shard]:
    """Memory-map a folder's shards one after the other."""
    for path in shard_paths(folder):
        yield open_shard(path)


def all_keys(shards: Sequence[Shard]) -> Keys:
    """The keys of all shards [n], sorted; 16 bytes a row in memory."""
    return np.concatenate([shard.keys for shard in shards]) if shards else np.empty(0, dtype=f"S{KEY_BYTES}")


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks != 1:
        raise ValueError(f"expected one chunk, found {column.num_chunks}")
    array = column.chunk(0)
    if array.null_count:
        raise ValueError(f"expected no nulls, found {array.null_count}")
    return array


def binary_view(column: pa.ChunkedArray) -> Keys:
    """A fixed-size binary column of one chunk without nulls as an S16 view [n]."""
    if column.num_chunks == 0 or len(column) == 0:
        return np.empty(0, dtype=f"S{KEY_BYTES}")
    array = _one_chunk(column)
    view = np.frombuffer(array.buffers()[1], dtype=f"S{KEY_BYTES}")
    return view[array.offset : array.offset + len(array)]


def fixed_list_view(column: pa.ChunkedArray, dtype: np.dtype[Any]) -> NDArray[Any]:
    """A fixed-size list column of one chunk without nulls as a view [n, width] (dtype S16 for lists of keys)."""
    width = column.type.list_size
    if len(column) == 0:
        return np.empty((0, width), dtype=dtype)
    array = _one_chunk(column)
    values = array.values  # ignores the slice: taken into account below
    if values.null_count:
        raise ValueError("expected no nulls inside the lists")
    flat = np.frombuffer(values.buffers()[1], dtype=dtype)
    start = array.offset * width + values.offset
    return flat[start : start + len(array) * width].reshape(len(array), width)


def key_array(keys: Keys) -> pa.Array:
    """Keys [n] as an Arrow fixed-size binary array."""
    data = np.ascontiguousarray(keys)
    return pa.Array.from_buffers(KEY, len(data), [None, pa.py_buffer(data.tobytes())])


def fixed_list_array(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """An array [n, width] as an Arrow fixed-size list of ``kind`` (keys: dtype S16 and ``KEY``)."""
    flat = np.ascontiguousarray(values).reshape(-1)
    items = key_array(flat) if kind == KEY else pa.array(flat, type=kind)
    list_type = pa.list_(pa.field("item", kind, nullable=False), values.shape[1])
    return pa.FixedSizeListArray.from_arrays(items, type=list_type)
