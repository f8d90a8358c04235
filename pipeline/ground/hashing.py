"""Keys: what names a sentence, a pair, a model folder.

A sentence's key is the first 16 bytes of BLAKE2b over its UTF-8 text. Keys are sorted bytewise everywhere, and a shard is
a range of keys (its top bits), so an inserted sentence changes one shard and the shards joined in order are sorted.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.ground.remembered import once_a_file

KEY_BYTES = 16
Keys = NDArray[np.bytes_]
"""Keys as an array of dtype S16, shape [n]; compares and sorts bytewise."""


def text_key(text: str) -> bytes:
    """The key of a sentence (16 bytes)."""
    return hashlib.blake2b(text.encode("utf-8"), digest_size=KEY_BYTES).digest()


def pair_key(first: bytes, second: bytes) -> bytes:
    """The key of an ordered pair of sentences, from their two keys (16 bytes)."""
    return hashlib.blake2b(first + second, digest_size=KEY_BYTES).digest()


def as_keys(keys: Iterable[bytes]) -> Keys:
    """Raw 16-byte keys as one array [n] of dtype S16."""
    return np.frombuffer(b"".join(keys), dtype=f"S{KEY_BYTES}")


def fraction(key: bytes) -> float:
    """A key's place in [0, 1): uniform, and the same in every run and on every machine."""
    return int.from_bytes(key[:7], "big") / 2**56


def shard_count(rows: int, shard_rows: int) -> int:
    """The smallest power of two that keeps shards at or below ``shard_rows`` rows on average; at least 1."""
    count = 1
    while rows > count * shard_rows:
        count *= 2
    return count


def shard_of(keys: Keys, count: int) -> NDArray[np.int64]:
    """The shard [n] of each key when the key space is cut into ``count`` (a power of two) equal ranges."""
    top = np.ascontiguousarray(keys).view(">u4")[:: KEY_BYTES // 4].astype(np.int64)
    return (top * count) >> 32


def locate(sorted_keys: Keys, wanted: Keys) -> NDArray[np.int64]:
    """The row [m] of each wanted key among sorted keys [n], or -1 where it is absent."""
    if len(sorted_keys) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    rows = np.searchsorted(sorted_keys, wanted)
    rows[rows == len(sorted_keys)] = 0
    return np.where(sorted_keys[rows] == wanted, rows, -1)


def canonical_json(value: Mapping[str, Any]) -> str:
    """JSON that is the same for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def identity_hash(identity: Mapping[str, Any]) -> str:
    """A short hexadecimal name (32 digits) for everything that an identity holds."""
    return hashlib.blake2b(canonical_json(identity).encode(), digest_size=16).hexdigest()


@once_a_file
def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal, read once a process while the file stays the same; reads 1 MiB at a time."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def code_hash(root: Path, patterns: Iterable[str]) -> str:
    """One hash (32 hexadecimal digits) of what Python modules do: their syntax trees, without comments and docstrings.

    The modules are the files that globs below ``root`` find and whose names end in ``.py``.
    """
    modules = sorted({path for pattern in patterns for path in root.glob(pattern) if path.suffix == ".py"})
    return identity_hash({path.relative_to(root).as_posix(): _statements(path) for path in modules})


def _statements(path: Path) -> str:
    """A module's syntax tree as text, without strings that stand as statements: docstrings, of constants too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(statement: ast.AST) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def folder_hash(folder: Path, patterns: Iterable[str] = ("**/*",)) -> str:
    """One hash (32 hexadecimal digits) of the names and contents of a folder's files that match any pattern."""
    files = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    entries = {path.relative_to(folder).as_posix(): file_hash(path) for path in files}
    return identity_hash(entries)
