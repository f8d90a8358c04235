"""The files that stages write: each by itself, and shards together with the others of their folder."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import zstandard
from safetensors import SafetensorError, safe_open

from pipeline.artifacts.parquet import read_made_by
from pipeline.artifacts.shards import iterate_shards, open_shard
from pipeline.console.errors import ArtifactError, InputError
from pipeline.ground.atomic import FILE_END, FOLDER_END
from pipeline.ground.file_checksum import check_seal, is_sealed
from pipeline.ground.folder_checksums import CHECKSUMS, check_folder
from pipeline.inspecting.plain_files import read_json
from pipeline.verifying.defects import Defect, defect_of

KINDS = frozenset({".json", ".parquet", ".safetensors", ".zst", ".tsv", ".html", ".txt"})
"""What stages write is never empty."""


def folder_defects(root: Path, without: frozenset[Path] = frozenset()) -> Iterator[Defect]:
    """What is wrong with the files of a folder and of those below it. Reads every file once, and holds none.

    Args:
        root: the folder; nothing is wrong with one that isn't there.
        without: folders that are not looked into.
    """
    for name, folders, files in os.walk(root):
        folder = Path(name)
        folders[:] = sorted(inner for inner in folders if folder / inner not in without)
        temporary = [inner for inner in folders if inner.startswith(".") and inner.endswith(FOLDER_END)]
        folders[:] = [inner for inner in folders if inner not in temporary]
        temporary += [file for file in files if file.startswith(".") and file.endswith(FILE_END)]
        yield from (Defect(folder / left, "left by a stopped run") for left in sorted(temporary))
        shards = sorted(file for file in files if file.endswith(".arrow"))
        if shards:
            yield from _shard_defects(folder, shards)
        if CHECKSUMS in files:
            yield from _caught(check_folder, folder)
        for file in sorted(set(files) - set(shards) - set(temporary)):
            yield from _caught(check_file, folder / file)


def _shard_defects(folder: Path, names: list[str]) -> Iterator[Defect]:
    damaged = [defect for name in names for defect in _caught(open_shard, folder / name)]
    yield from damaged
    if not damaged:  # the others' places can't be told without a damaged one
        yield from _caught(lambda path: deque(iterate_shards(path), maxlen=0), folder)


def check_file(path: Path) -> None:
    """Check one file by its kind: its checksum where it has one, else whether it can be read to its end.

    Raises:
        ArtifactError: if it is damaged.
    """
    if path.suffix in KINDS and path.stat().st_size == 0:
        raise ArtifactError(path, "empty")
    if path.suffix == ".parquet":
        read_made_by(path, {})
    elif path.suffix == ".json":
        read_json(path)
    elif path.suffix == ".safetensors":
        _check_safetensors(path)
    elif path.suffix == ".zst":
        _check_zstd(path)


def _check_safetensors(path: Path) -> None:
    if is_sealed(path):
        check_seal(path)
    try:
        with safe_open(path, framework="np") as opened:
            opened.keys()
    except (SafetensorError, OSError) as error:
        raise ArtifactError(path, f"not readable weights ({error})") from None


def _check_zstd(path: Path) -> None:
    frame = None
    try:
        with path.open("rb") as raw:
            while block := raw.read(1 << 16):
                while block:
                    frame = frame or zstandard.ZstdDecompressor().decompressobj()
                    frame.decompress(block)
                    block = frame.unused_data if frame.eof else b""
                    frame = None if frame.eof else frame
    except zstandard.ZstdError as error:
        raise ArtifactError(path, f"not readable as zstd ({error})") from None
    if frame is not None:
        raise ArtifactError(path, "cut short: its last zstd frame has no end")


def _caught(check: Callable[[Path], object], path: Path) -> Iterator[Defect]:
    try:
        check(path)
    except InputError as error:
        yield defect_of(error)
    except OSError as error:
        yield Defect(path, f"can't be read ({error.strerror or error})")
