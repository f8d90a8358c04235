"""The vector store: each unique sentence is embedded once, ever, per encoder.

The store is content-addressed and lives outside any pipeline run's outputs. A folder per encoder identity (whose hash covers
all that a vector depends on but the text) holds segments: Arrow files of sorted keys and their vectors, named by the range of
keys they cover and by their content. A segment is written whole or not at all and never changed, so processes may share a
store without waiting for each other; writing the same vectors twice is harmless.

What is wrong with a segment costs its vectors and nothing else: a damaged one is found before its first use, set aside with a
line that names it, and embedded again. One that was pruned meanwhile is missed, and no more.

A store's folder may be the cache of a store elsewhere (`pipeline.store.remote`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts.shards import FORMAT, Shard, fixed_list_array, key_array, open_shard, vector_schema, write_shard
from pipeline.console.errors import ArtifactError, DamagedError, VersionError
from pipeline.ground.atomic import write_text
from pipeline.ground.hashing import Keys, canonical_json, identity_hash, locate
from pipeline.store.remote import RemoteStore, modified, remote_of
from pipeline.store.users import Use, users

log = logging.getLogger(__name__)

IDENTITY_FILE = "identity.json"
SEGMENT_FORMATS = (1, FORMAT)
"""Format versions of segments that are read. Those of version 1 have no checksum, but the hash in their names."""

SET_ASIDE = ".damaged"
"""How the name of a damaged segment ends, once it was found."""

TRIES = 3
"""How often something is written if its folder is pruned meanwhile."""


class VectorStore:
    """The vectors of one encoder.

    Args:
        root: the store's folder.
        identity: everything that a vector depends on besides the text (see `pipeline.encoders`).
        dimension: how many numbers a vector has.
    """

    def __init__(self, root: Path, identity: Mapping[str, Any], dimension: int) -> None:
        self.identity, self.dimension = dict(identity), dimension
        self.folder = root / identity_hash(identity)
        _in_spite_of_pruning(self._write_identity)
        with suppress(OSError):  # a store that may only be read
            os.utime(self.folder / IDENTITY_FILE)  # what is only read is used too, and must not be pruned
        self.use = Use(self.folder)
        self.remote = remote_of(root)
        if self.remote is not None:
            self.remote.prepare(self.folder, identity)
            self.remote.send_promised(self.folder)

    def lookup(self, keys: Keys) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
        """The vectors [n, d] of sorted keys [n], and which of them were found [n] (the others' rows are zero).

        Holds the result in memory; segments are memory-mapped, and only those whose range meets the keys'.

        Raises:
            VersionError: if a newer softalign wrote a segment.
            StoreError: if the folder is a cache, and the store elsewhere can't be read.
        """
        vectors = np.zeros((len(keys), self.dimension), dtype=np.float16)
        found = np.zeros(len(keys), dtype=np.bool_)
        if len(keys) == 0:
            return vectors, found
        first, last = _range(keys)
        if self.remote is not None:
            self.remote.fetch(self.folder, lambda name: _meets(name, first, last))
        for path in sorted(self.folder.glob("*.arrow")):
            if not _meets(path.name, first, last) or (segment := self._usable(path)) is None:
                continue
            rows = locate(segment.keys, keys)
            new = (rows >= 0) & ~found
            vectors[new] = segment.vectors[rows[new]]
            found |= new
        return vectors, found

    def add(self, keys: Keys, vectors: NDArray[np.float16]) -> None:
        """Write a segment of sorted keys [n] and their vectors [n, d]; durable when this returns, elsewhere too.

        Raises:
            StoreError: if the folder is a cache, and the store elsewhere can't be written; the cache has the segment.
        """
        if len(keys) == 0:
            return
        schema = vector_schema(self.dimension)
        table = pa.Table.from_arrays([key_array(keys), fixed_list_array(vectors, pa.float16())], schema=schema)
        path = self.folder / f"{'-'.join(_range(keys))}-{_content(keys, vectors)}.arrow"

        def write() -> None:
            if self.remote is not None:
                self.remote.promise(path)
            write_shard(path, table, {"kind": "store-segment", "identity": self.identity})
            self._write_identity()

        _in_spite_of_pruning(write)
        if self.remote is not None:
            self.remote.send(path)

    def _write_identity(self) -> None:
        """Make the folder, with the identity that its name is the hash of; written again if it is missing or damaged."""
        expected = canonical_json(self.identity) + "\n"
        path = self.folder / IDENTITY_FILE
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            if path.read_text(encoding="utf-8", errors="replace") != expected:
                log.warning("%s: damaged: not the identity that the folder is named by; written again", path)
                write_text(path, expected)
        except FileNotFoundError:
            write_text(path, expected)

    def _usable(self, path: Path) -> Shard | None:
        """A segment, checked; None if it is damaged (it is set aside then) or was pruned meanwhile."""
        try:
            return open_segment(path, self.identity)
        except DamagedError as error:
            log.warning("%s; its vectors are embedded again", error)
            with suppress(OSError):
                path.replace(path.with_name(path.name + SET_ASIDE))
        except ArtifactError:
            if path.exists():
                raise
        return None


def _in_spite_of_pruning(write: Callable[[], None]) -> None:
    """Write something into a folder, again if another process prunes that meanwhile."""
    for left in reversed(range(TRIES)):
        try:
            write()
            break
        except FileNotFoundError:
            if left == 0:
                raise


def _range(keys: Keys) -> tuple[str, str]:
    """The first and the last of sorted keys, in hexadecimal (numpy drops the zeros at a key's end)."""
    return keys[0].ljust(16, b"\0").hex(), keys[-1].ljust(16, b"\0").hex()


def _meets(name: str, first: str, last: str) -> bool:
    """Whether a segment's range of keys, which is in its name, meets another."""
    low, _, rest = name.partition("-")
    return low <= last and rest.partition("-")[0] >= first


def stored_identity(root: Path, told: Mapping[str, Any]) -> dict[str, Any] | None:
    """The identity of an encoder of which a store has vectors.

    Args:
        root: the store's folder.
        told: all of the identity but the ``dimension``, which follows from it.

    Returns: the identity as it is stored; None if the store doesn't know it.
    """
    for file in sorted(root.glob(f"*/{IDENTITY_FILE}")):
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # `VectorStore` says what is damaged
        if not isinstance(found, dict) or identity_hash(found) != file.parent.name:
            continue
        if isinstance(found.get("dimension"), int) and found == {**told, "dimension": found["dimension"]}:
            return found
    return None


def open_segment(path: Path, identity: Mapping[str, Any] | None = None) -> Shard:
    """Memory-map a segment of an encoder, checked: its bytes, its place, its content.

    Args:
        path: the segment; its name and its folder's say what it must hold.
        identity: the encoder's identity, where it is known; else the folder's name is compared with the segment's own.

    Raises:
        DamagedError: if its bytes are not those that were written, or it belongs to another encoder or range.
        VersionError: if a newer softalign wrote it.
        ArtifactError: if it is missing.
    """
    try:
        segment = open_shard(path, SEGMENT_FORMATS)
    except VersionError as error:
        raise VersionError(
            path, f"{error.problem.partition(';')[0]}; upgrade softalign, or set SOFTALIGN_STORE to another folder"
        ) from None
    except DamagedError as error:
        raise DamagedError(path, error.problem.partition(";")[0]) from None
    first, last, content = path.stem.split("-")
    keys = segment.keys
    own, expected = segment.made_by.get("identity"), path.parent.name if identity is None else identity_hash(identity)
    if not isinstance(own, dict) or identity_hash(own) != expected:
        raise DamagedError(path, "belongs to another encoder, whose vectors are no use here")
    if len(keys) == 0 or _range(keys) != (first, last):
        raise DamagedError(path, "doesn't hold the keys that its name promises")
    if segment.format == 1 and _content(keys, segment.vectors) != content:
        raise DamagedError(path, "damaged: not the content that its name promises")
    return segment


def _content(keys: Keys, vectors: NDArray[np.float16]) -> str:
    digest = hashlib.blake2b(keys.tobytes(), digest_size=8)
    digest.update(np.ascontiguousarray(vectors).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class StoreEntry:
    """What a store holds of one encoder.

    Attributes:
        folder: the encoder's folder.
        identity: the encoder's identity, as JSON text.
        vectors: how many rows the segments hold.
        size: the segments' bytes.
        days_unused: the days since a process last began to use the folder, or added to it.
        used_by: the processes that use the folder now.
    """

    folder: Path
    identity: str
    vectors: int
    size: int
    days_unused: float
    used_by: tuple[str, ...] = ()


def list_store(root: Path) -> list[StoreEntry]:
    """What a store holds, by encoder. Segments are not checked, only their rows counted.

    Of a cache: what the store elsewhere holds, its rows estimated from sizes.

    Raises:
        StoreError: if that store can't be read.
    """
    if (remote := remote_of(root)) is not None:
        return _list_remote(root, remote)
    entries = []
    for identity_file in sorted(root.glob(f"*/{IDENTITY_FILE}")):
        folder = identity_file.parent
        if folder.name.startswith("."):
            continue
        vectors = size = 0
        with suppress(FileNotFoundError):  # another process prunes it
            newest = identity_file.stat().st_mtime
            for path in sorted(folder.glob("*.arrow")):
                about = path.stat()
                newest, size = max(newest, about.st_mtime), size + about.st_size
                with suppress(ArtifactError):
                    vectors += len(open_shard(path, SEGMENT_FORMATS, check=False))
            identity = identity_file.read_text(encoding="utf-8", errors="replace")
            entries.append(_entry(folder, identity, vectors, size, newest))
    return entries


def _entry(folder: Path, identity: str, vectors: int, size: int, newest: float) -> StoreEntry:
    """An encoder of a store; ``newest``: when it was last used, in seconds since 1970."""
    days = max(time.time() - newest, 0.0) / 86_400
    return StoreEntry(folder, identity.strip(), vectors, size, days, tuple(users(folder)))


def prune_store(root: Path, unused_days: float) -> list[StoreEntry]:
    """Delete the vectors of encoders that nothing used for ``unused_days``; returns what was deleted.

    What a living process uses stays. A process that comes just then finds nothing, and embeds. Of a cache, the store
    elsewhere is pruned first; whether processes of other machines use it is not known, only whether they did lately.

    Raises:
        StoreError: if the store elsewhere can't be written.
    """
    deleted = []
    remote = remote_of(root)
    for entry in list_store(root):
        if entry.days_unused < unused_days or users(entry.folder):
            continue
        if remote is not None:
            names = sorted(remote.contents().get(entry.folder.name, {}), key=lambda name: (name == IDENTITY_FILE, name))
            remote.delete(entry.folder.name, names)
            shutil.rmtree(entry.folder, ignore_errors=True)
            deleted.append(entry)
            continue
        # Away in one step, so that no other process sees a part of it.
        away = root / f".{entry.folder.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.pruned"
        with suppress(FileNotFoundError):
            entry.folder.rename(away)
            deleted.append(entry)
    for left in root.glob(".*.pruned") if root.is_dir() else ():
        shutil.rmtree(left, ignore_errors=True)
    return deleted


def _list_remote(root: Path, remote: RemoteStore) -> list[StoreEntry]:
    entries = []
    for encoder, files in remote.contents().items():
        identity = remote.read_text(encoder, IDENTITY_FILE)
        sizes = [int(about["size"]) for name, about in files.items() if name.endswith(".arrow")]
        vectors = sum(size // _row_bytes(identity) for size in sizes)
        newest = max(modified(about) for about in files.values())
        entries.append(_entry(root / encoder, identity, vectors, sum(sizes), newest))
    return entries


def _row_bytes(identity: str) -> int:
    """What a key and its vector take; a segment's head and foot are less than a few rows."""
    try:
        return 16 + 2 * int(json.loads(identity)["dimension"])
    except (ValueError, LookupError, TypeError):
        return 16
