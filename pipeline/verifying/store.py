"""The store: every encoder's segments, every kept mining index and every converted model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.console.errors import InputError
from pipeline.encoders.kept_models import FOLDER as MODELS
from pipeline.ground.atomic import FILE_END, FOLDER_END
from pipeline.ground.folder_checksums import check_folder
from pipeline.ground.hashing import identity_hash
from pipeline.search.kept_indexes import FOLDER, check_index
from pipeline.store.local import IDENTITY_FILE, SET_ASIDE, open_segment
from pipeline.store.users import users
from pipeline.verifying.defects import Defect, defect_of


def store_defects(root: Path) -> Iterator[Defect]:
    """What is wrong with a store. Reads every segment and index once."""
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if folder.name == FOLDER:
            yield from _kept_defects(folder, check_index)
        elif folder.name == MODELS:
            yield from _kept_defects(folder, check_folder)
        elif folder.name.startswith("."):
            yield Defect(folder, "left by a stopped run")
        elif folder.is_dir():
            yield from _encoder_defects(folder)


def _encoder_defects(folder: Path) -> Iterator[Defect]:
    identity = _identity(folder)
    if identity is None and (folder / IDENTITY_FILE).exists():
        yield Defect(folder / IDENTITY_FILE, "not the identity that the folder is named by")
    writing = bool(users(folder))
    for path in sorted(folder.iterdir()):
        if path.name.endswith(SET_ASIDE):
            yield Defect(path, "set aside as damaged; its vectors were embedded again")
        elif path.name.startswith(".") and path.name.endswith(FILE_END) and not writing:
            yield Defect(path, "left by a stopped run")
        elif path.suffix == ".arrow":
            try:
                open_segment(path, identity)
            except InputError as error:
                yield defect_of(error)


def _identity(folder: Path) -> dict[str, Any] | None:
    try:
        identity = json.loads((folder / IDENTITY_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return identity if isinstance(identity, dict) and identity_hash(identity) == folder.name else None


def _kept_defects(root: Path, check: Callable[[Path], object]) -> Iterator[Defect]:
    """What is wrong with the folders of kept indexes or converted models."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if folder.name.startswith("."):
            if folder.name.endswith(FOLDER_END):
                yield Defect(folder, "left by a stopped run, or being written now")
            continue
        try:
            check(folder)
        except InputError as error:
            yield Defect(folder, str(error).partition(";")[0].removeprefix(f"{folder}: "))
