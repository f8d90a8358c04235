"""The artifacts between stages: Arrow IPC files, memory-mapped, one record batch per shard.

A folder holds one kind of table for one language (or pair), cut into shards ``00000.arrow``, ``00001.arrow``, … by ranges of
the key in the first column, each shard sorted by it: the shards joined in order are sorted. The schema's metadata has one
entry, ``softalign``: sorted JSON that says what made the table, never a time or a path. The same rows give the same bytes.

A file is checked before its first use: its checksum (`pipeline.ground.file_checksum`), its format version, and where it
belongs, which its metadata says: the artifact (``sentences/fr``), its number and how many shards there are. A damaged,
missing or swapped shard is found there and not in a result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.console.errors import ArtifactError, DamagedError, VersionError
from pipeline.ground.atomic import atomic_file
from pipeline.ground.file_checksum import EDGE, blank, check_seal, is_sealed, seal
from pipeline.ground.file_checksum import KEY as SEAL_KEY
from pipeline.ground.hashing import KEY_BYTES, Keys, canonical_json

FORMAT = 2
"""The version of the files' form: 2 has a checksum and says where a shard belongs; 1 had neither."""

METADATA_KEY = b"softalign"
SHARD_NAME = re.compile(r"\d{5,}\.arrow")
STATED_FORMAT = re.compile(rb'"format":(\d+)')
KEY = pa.binary(KEY_BYTES)
KEY_DTYPE: np.dtype[Any] = np.dtype(f"S{KEY_BYTES}")


def _schema(**columns: pa.DataType) -> pa.Schema:
    """A schema of columns without nulls."""
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


def _lists(kind: pa.DataType, width: int = -1) -> pa.DataType:
    """Lists of a type, without nulls inside, all of one width; -1: of any lengths."""
    return pa.list_(pa.field("item", kind, nullable=False), width)


SENTENCES = _schema(id=KEY, text=pa.string())
"""A unique sentence and its key."""

PAIRS = _schema(id=KEY, a=KEY, b=KEY, corpus=pa.string(), file=pa.string(), line=pa.int64())
"""A training pair: its key, its sentences' keys (a in the pair's first language), and where it was read first."""

MONOLINGUAL = _schema(
    id=KEY, text=pa.string(), to_mine=pa.bool_(), corpus=pa.string(), file=pa.string(), line=pa.int64(), doc=pa.string()
)
"""A sentence to be embedded for mining or evaluation; ``to_mine`` is true for the user's own one-sided text."""

HELDOUT = _schema(id=KEY, set=pa.string(), a=KEY, b=KEY, in_a=pa.bool_(), in_b=pa.bool_(), doc=pa.string())
"""A known translation pair of the set ``dev`` or ``test``. Retrieval uses every row; mining sees side a only where
``in_a`` and side b only where ``in_b``, so a row with both is a pair to find, and one with only one is a sentence whose
translation is not there."""

TOKENS = _schema(id=KEY, tokens=_lists(pa.int32()))
"""A sentence's token ids, special tokens and truncation included."""


def vector_schema(dimension: int) -> pa.Schema:
    """A sentence's key and its vector, ``FixedSizeList<float16>[dimension]``."""
    return _schema(id=KEY, vector=_lists(pa.float16(), dimension))


def neighborhood_schema(k: int) -> pa.Schema:
    """A label point, the keys of its k nearest points, their similarities and soft-label weights (best first).

    A point with fewer than k others repeats nothing: the rest of its similarities is -inf and of its weights 0.
    """
    return _schema(id=KEY, neighbor=_lists(KEY, k), similarity=_lists(pa.float32(), k), weight=_lists(pa.float32(), k))


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


def count_shards(folders: Iterable[Path]) -> int:
    """How many shards folders have together.

    Raises:
        ArtifactError: if one has none.
    """
    return sum(len(shard_paths(folder)) for folder in folders)


def write_shard(path: Path, table: pa.Table, made_by: Mapping[str, Any], of: int = 1) -> None:
    """Write a table as an uncompressed Arrow IPC file of one record batch, sealed, atomically.

    Args:
        path: the file; the number of a folder's shard is in its name (`shard_path`).
        table: the rows; its schema becomes the file's.
        made_by: what made it (kind, language, model, …): JSON values, no times, no paths. Its ``artifact``, if given, is
            where the folder belongs (``sentences/fr``): `open_folder` refuses the shard in any other.
        of: the number of shards that the folder has.
    """
    place = {"shard": [int(path.stem), of]} if SHARD_NAME.fullmatch(path.name) else {}
    metadata = canonical_json({**made_by, **place, "format": FORMAT, **blank()})
    table = table.combine_chunks().replace_schema_metadata({METADATA_KEY: metadata.encode()})
    batches = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
    with atomic_file(path) as temporary:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_batch(batches[0])
        seal(temporary)


@dataclass(frozen=True)
class Shard:
    """One memory-mapped shard: nothing is read before it is used, nothing is copied.

    Attributes:
        path: the file.
        table: its rows, in one chunk.
        made_by: what made it.
        place: its number and how many shards its folder has; None for a file that is no folder's shard.
        format: the version of its form.
    """

    path: Path
    table: pa.Table
    made_by: dict[str, Any]
    place: tuple[int, int] | None = None
    format: int = FORMAT

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


def open_shard(path: Path, formats: Sequence[int] = (FORMAT,), check: bool = True) -> Shard:
    """Memory-map a shard, after checking all its bytes (once per file and process).

    Args:
        path: the file.
        formats: versions of the form that are read.
        check: whether the checksum is compared; without, only for what needs no more than the number of rows.

    Raises:
        DamagedError: if it is not an Arrow file, cut short, or its bytes are not those that were written.
        VersionError: if it is of another format version.
        ArtifactError: if it is missing, or not one of softalign's.
    """
    try:
        if check:
            _check(path, formats)
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except FileNotFoundError:
        raise ArtifactError(path, "missing; run the stage that writes it") from None
    except (pa.ArrowInvalid, pa.ArrowException, OSError) as error:
        raise DamagedError(path, f"not a readable Arrow file ({str(error).splitlines()[0]})") from error
    metadata = (table.schema.metadata or {}).get(METADATA_KEY)
    if metadata is None:
        raise ArtifactError(path, "an Arrow file, but not one of softalign's: its schema lacks the 'softalign' entry")
    made_by = json.loads(metadata)
    made_by.pop(SEAL_KEY, None)
    place, version = made_by.pop("shard", None), made_by.get("format")
    if version not in formats:
        raise _other_version(path, version)
    return Shard(path, table.combine_chunks(), made_by, None if place is None else (place[0], place[1]), version)


def _check(path: Path, formats: Sequence[int]) -> None:
    try:
        check_seal(path)
    except DamagedError:
        with path.open("rb") as opened:
            head = opened.read(EDGE)
        if head and not head.startswith(b"ARROW1"):
            raise DamagedError(path, "not a readable Arrow file (it doesn't begin as one)") from None
        stated = STATED_FORMAT.search(head)
        if not head or is_sealed(path) or (stated is None and METADATA_KEY in head):
            raise
        if stated is not None and int(stated[1]) not in formats:
            raise _other_version(path, int(stated[1])) from None
        # An older version's, without a checksum, or another program's: what is wrong with it is said when it is opened.


def _other_version(path: Path, version: Any) -> VersionError:
    if isinstance(version, int) and version > FORMAT:
        problem = f"written by a newer softalign (format version {version}, this one reads {FORMAT}); upgrade softalign"
        return VersionError(path, f"{problem}, or run its stage again")
    return VersionError(path, f"format version {version}, expected {FORMAT}; run its stage again (`dvc repro`)")


def open_folder(folder: Path) -> list[Shard]:
    """Memory-map all shards of a folder, in order.

    Raises:
        ArtifactError: if one is damaged, missing, or belongs elsewhere.
    """
    return list(iterate_shards(folder))


def iterate_shards(folder: Path, check: bool = True) -> Iterator[Shard]:
    """Memory-map a folder's shards one after the other; ``check`` as in `open_shard`.

    Raises:
        ArtifactError: if one is damaged, missing, or belongs elsewhere.
    """
    first: Shard | None = None
    paths = shard_paths(folder)
    for number, path in enumerate(paths):
        shard = open_shard(path, check=check)
        _check_place(shard, number, len(paths))
        first = first or shard
        if shard.made_by != first.made_by:
            raise ArtifactError(path, f"{_differences(shard, first)}; put back the right shard, or run the stage again")
        yield shard


def _check_place(shard: Shard, number: int, count: int) -> None:
    """Raise if a shard is another folder's or has another number; a folder is its last two or three names."""
    artifact = shard.made_by.get("artifact")
    if isinstance(artifact, str):
        wanted = tuple(artifact.split("/"))
        found = shard.path.parent.absolute().parts[-len(wanted) :]
        if found != wanted:
            here = "/".join(found)
            raise ArtifactError(
                shard.path, f"a shard of {artifact}, found in {here}; put back {here}'s own, or run its stage again"
            )
    if shard.place is not None and shard.place != (number, count):
        own, of = shard.place
        raise ArtifactError(
            shard.path,
            f"shard {own} of {of}, found as shard {number} of {count}: swapped, or one is missing; run its stage again",
        )


def _differences(shard: Shard, first: Shard) -> str:
    keys = sorted(set(shard.made_by) | set(first.made_by))
    key = next(key for key in keys if shard.made_by.get(key) != first.made_by.get(key))
    found, expected = (json.dumps(one.made_by.get(key), ensure_ascii=False) for one in (shard, first))
    return f"its {key} is {found}, that of {first.path.name} {expected}"


def all_keys(shards: Sequence[Shard]) -> Keys:
    """The keys of all shards [n], sorted; 16 bytes a row in memory."""
    return np.concatenate([np.empty(0, KEY_DTYPE), *(shard.keys for shard in shards)])


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks != 1:
        raise ValueError(f"expected one chunk, found {column.num_chunks}")
    array = column.chunk(0)
    if array.null_count:
        raise ValueError(f"expected no nulls, found {array.null_count}")
    return array


def binary_view(column: pa.ChunkedArray) -> Keys:
    """A fixed-size binary column of one chunk without nulls as an S16 view [n]."""
    if len(column) == 0:
        return np.empty(0, KEY_DTYPE)
    array = _one_chunk(column)
    view = np.frombuffer(array.buffers()[1], KEY_DTYPE)
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
    return pa.FixedSizeListArray.from_arrays(items, type=_lists(kind, values.shape[1]))
