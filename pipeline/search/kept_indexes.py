"""The FAISS indexes that are kept in the store to be used again: what there is, and what each belongs to.

Nothing here needs FAISS: `pipeline.search.faiss_index` builds, reads and checks them.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.console.errors import ArtifactError, DamagedError
from pipeline.ground.file_checksum import check_seal, file_digest

FOLDER = "indexes"
"""The store's folder of them: an index is no output of a stage, and is found again by the vectors it holds."""

INDEX_FILE, LISTS_FILE, ABOUT_FILE = "index.faiss", "lists.ivfdata", "about.json"


class IndexFolderError(ArtifactError):
    """A saved index that is damaged, or that belongs to other vectors."""


@dataclass(frozen=True)
class KeptIndex:
    """An index in the store.

    Attributes:
        folder: where.
        about: what it was made of (empty if that can't be read).
        size: in bytes.
        days_unused: since it was last built or opened.
    """

    folder: Path
    about: dict[str, Any]
    size: int
    days_unused: float


def list_indexes(store: Path) -> list[KeptIndex]:
    """The indexes that a store keeps."""
    root = store / FOLDER
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    return [found for folder in folders if not folder.name.startswith(".") and (found := _kept(folder)) is not None]


def _kept(folder: Path) -> KeptIndex | None:
    try:
        sizes = [path.stat() for path in folder.iterdir()]
        used = max([about.st_mtime for about in sizes], default=folder.stat().st_mtime)
    except FileNotFoundError:  # pruned or replaced by another process just now
        return None
    try:
        about = read_about(folder)
    except IndexFolderError:
        about = {}
    return KeptIndex(folder, about, sum(found.st_size for found in sizes), (time.time() - used) / 86_400)


def read_about(folder: Path) -> dict[str, Any]:
    """What an index' folder says of itself.

    Raises:
        IndexFolderError: if it says nothing that can be read.
    """
    try:
        about = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
        if isinstance(about, dict) and "version" in about and "vectors" in about:
            return about
    except (OSError, ValueError):
        pass
    raise IndexFolderError(folder, f"no index here that can be read ({ABOUT_FILE} is missing or damaged)")


def check_index(folder: Path) -> None:
    """Compare the checksums of an index' files with those that were noted when it was built.

    Raises:
        IndexFolderError: if a file is damaged, missing, or not the index' own.
    """
    try:
        check_seal(folder / ABOUT_FILE, "build it again")
        files = dict(read_about(folder)["files"])
        for name, noted in files.items():
            if file_digest(folder / name) != noted:
                raise IndexFolderError(folder / name, "damaged: its checksum is not the one noted; build it again")
    except DamagedError as error:
        raise IndexFolderError(error.path, error.problem) from None
    except FileNotFoundError as error:
        raise IndexFolderError(error.filename or folder, "missing; build the index again") from None
    except (KeyError, TypeError, ValueError):
        raise IndexFolderError(folder / ABOUT_FILE, "says nothing of the index' files; build it again") from None


def prune_indexes(store: Path, unused_days: float) -> list[KeptIndex]:
    """Delete the indexes that were not used for ``unused_days``; returns what was deleted.

    A process that has one open keeps what it has opened.
    """
    deleted = [kept for kept in list_indexes(store) if kept.days_unused >= unused_days]
    for kept in deleted:
        shutil.rmtree(kept.folder, ignore_errors=True)
    return deleted
