"""The models that were converted into ordinary folders and are kept in the store: what there is, and clearing it.

Nothing here needs torch: `pipeline.encoders.package_models` makes and checks them.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FOLDER = "models"
"""The store's folder of them."""
USED_FILE = "config.json"
"""The file of a model whose time says when it was last used."""


@dataclass(frozen=True)
class KeptModel:
    """A converted model in a store.

    Attributes:
        folder: the model's folder in the store.
        size: the bytes of all its files.
        days_unused: the days since it was last made or used.
    """

    folder: Path
    size: int
    days_unused: float


def list_models(store: Path) -> list[KeptModel]:
    """The converted models that a store keeps."""
    found = []
    for folder in sorted((store / FOLDER).iterdir()) if (store / FOLDER).is_dir() else ():
        if folder.name.startswith("."):
            continue
        with suppress(FileNotFoundError):  # pruned or replaced by another process just now
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            used = (folder / USED_FILE).stat().st_mtime
            found.append(KeptModel(folder, size, (time.time() - used) / 86_400))
    return found


def prune_models(store: Path, unused_days: float) -> list[KeptModel]:
    """Delete the converted models that were not used for ``unused_days``; returns what was deleted.

    A process that has loaded one keeps what it has loaded.
    """
    deleted = [kept for kept in list_models(store) if kept.days_unused >= unused_days]
    for kept in deleted:
        shutil.rmtree(kept.folder, ignore_errors=True)
    return deleted
