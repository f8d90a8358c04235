"""Whether artifacts belong together: the sentences, their tokens, their vectors; the models that made them.

Each by itself may be sound and yet of another run: a folder copied from elsewhere, an output put back by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pipeline.artifacts.parquet import read_made_by
from pipeline.artifacts.shards import iterate_shards
from pipeline.console.errors import InputError
from pipeline.verifying.defects import Defect


def same_keys(source: Path, derived: Path) -> Iterator[Defect]:
    """Whether a folder has the rows of the one that it was made from, shard by shard; 16 bytes a row of two shards."""
    if not source.is_dir() or not derived.is_dir():
        return
    try:
        for one, other in zip_longest(iterate_shards(source), iterate_shards(derived)):
            if one is None or other is None or len(one) != len(other) or (one.keys != other.keys).any():
                yield Defect(derived, f"not the rows of {source}: made from others")
                return
    except InputError:
        return  # named where each folder is looked at by itself


def made_with(folder: Path, key: str, expected: Any, whose: str) -> Iterator[Defect]:
    """Whether a folder of shards was made with what its neighbour says (an encoder, a tokenizer)."""
    made_by = _made_by(folder)
    if made_by is not None and made_by.get(key) != expected:
        yield Defect(folder, f"made with another {key} than {whose}")


def folder_entry(folder: Path, key: str) -> Any:
    """What the shards of a folder say under a key; None if there are none that can be read."""
    return (_made_by(folder) or {}).get(key)


def _made_by(folder: Path) -> Mapping[str, Any] | None:
    """The metadata of a folder's first shard; None without one that can be read: that is named elsewhere."""
    try:
        shard = next(iterate_shards(folder), None) if folder.is_dir() else None
    except InputError:
        return None
    return None if shard is None else shard.made_by


def mined_with(path: Path, pair: str, encoder: Any, whose: str) -> Iterator[Defect]:
    """Whether mined pairs are of their language pair, and of the vectors that are there now."""
    try:
        made_by = read_made_by(path, {})
    except InputError:
        return
    if made_by.get("pair") != pair:
        yield Defect(path, f"holds pairs of {json.dumps(made_by.get('pair'))}, found as {pair}")
    elif encoder is not None and made_by.get("encoder") != encoder:
        yield Defect(path, f"mined with another encoder than {whose}")
