"""What DVC has noted of a project's outputs, and its cache's copies of them.

DVC trusts a file whose size and time are unchanged, and with hard links a file and its copy in the cache are one: a flipped
bit is in both. What is to be made again must therefore leave the cache as well, or DVC would put the damage back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.console.errors import ArtifactError
from pipeline.verifying.defects import Defect

SEALED = (".arrow", ".parquet")
"""Files with a checksum of their own, which is faster to compare than DVC's MD5."""


@dataclass(frozen=True)
class Record:
    """What dvc.lock and DVC's cache say of one project.

    Attributes:
        root: the project's folder.
        md5: every output file's MD5, by its path.
        cache: the cache's folder of objects; None if there is none.
    """

    root: Path
    md5: dict[Path, str]
    cache: Path | None

    def copy_of(self, path: Path) -> Path | None:
        """The cache's copy of an output file, if it has one."""
        noted = self.md5.get(path)
        if noted is None or self.cache is None:
            return None
        found = self.cache / noted[:2] / noted[2:]
        return found if found.is_file() else None


def read_record(root: Path) -> Record:
    """Read dvc.lock and the cache's lists of folders; empty where DVC has noted nothing.

    Raises:
        ArtifactError: if dvc.lock can't be read.
    """
    lock = root / "dvc.lock"
    if not lock.is_file():
        return Record(root, {}, None)
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        stages = YAML(typ="safe", pure=True).load(lock.read_text(encoding="utf-8"))["stages"]
        outs = [out for stage in stages.values() for out in stage.get("outs", [])]
        noted = {root / out["path"]: str(out["md5"]) for out in outs if "md5" in out}
    except (YAMLError, ValueError, KeyError, TypeError, AttributeError):
        raise ArtifactError(
            lock, "not a lock file of DVC's; restore it from git, or delete it and run `dvc repro`"
        ) from None
    cache = _cache(root)
    files: dict[Path, str] = {}
    for path, md5 in noted.items():
        files.update(_inside(path, md5, cache) if md5.endswith(".dir") else {path: md5})
    return Record(root, files, cache)


def _cache(root: Path) -> Path | None:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            found = Path(repo.cache.local.path)
    except DvcException:
        return None
    return found if found.is_dir() else None


def _inside(folder: Path, md5: str, cache: Path | None) -> dict[Path, str]:
    listed = None if cache is None else cache / md5[:2] / md5[2:]
    try:
        entries = json.loads(listed.read_text(encoding="utf-8")) if listed is not None else []
        return {folder / entry["relpath"]: str(entry["md5"]) for entry in entries}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def record_defects(record: Record) -> Iterator[Defect]:
    """Outputs that are not what DVC noted, where they have no checksum of their own; and the cache's damaged copies."""
    for path, md5 in sorted(record.md5.items()):
        if not path.is_file():
            yield Defect(path, "missing, though dvc.lock has it")
        elif path.suffix not in SEALED and md5_of(path) != md5:
            yield Defect(path, "not what dvc.lock notes: damaged, or written by a run that DVC knows nothing of")
        copied = record.copy_of(path)
        if copied is not None and not (path.is_file() and copied.samefile(path)) and md5_of(copied) != md5:
            yield Defect(copied, f"damaged: DVC's copy of {path}")


def md5_of(path: Path) -> str:
    """A file's MD5, as DVC names its objects; reads 256 KiB at a time."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def remove_bad_copy(record: Record, path: Path) -> bool:
    """Delete the cache's copy of an output file if it is damaged as well; whether it was."""
    copied = record.copy_of(path)
    if copied is None or md5_of(copied) == record.md5[path]:
        return False
    copied.unlink()
    return True
