"""Checksums of a folder whose files have a form of their own (a model's), as a file that lies among them.

The file is one that ``xxhsum -H128 --check`` reads too: a line for each file. Its name ends in no way that a model's loader,
an export or an upload looks at.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.console.errors import DamagedError
from pipeline.ground.atomic import write_text
from pipeline.ground.file_checksum import DIGITS, file_digest

CHECKSUMS = "checksums.xxh3"


def write_checksums(folder: Path) -> None:
    """Note the checksum of every file of a folder; the last that is written to it."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [f"{file_digest(folder / name)}  {name}\n" for name in files if name != CHECKSUMS]
    write_text(folder / CHECKSUMS, "".join(lines))


def check_folder(folder: Path) -> None:
    """Compare a folder's files with the checksums noted there, if any are; files that came later are not looked at.

    Raises:
        DamagedError: if one is damaged, changed or missing.
    """
    noted = folder / CHECKSUMS
    if not noted.is_file():
        return
    for line in noted.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        path = folder / name
        if len(digest) != DIGITS or not name or not path.resolve().is_relative_to(folder.resolve()):
            raise DamagedError(noted, "damaged: a line is no checksum and name; run stage train again")
        if not path.is_file():
            raise DamagedError(path, f"missing, though {CHECKSUMS} notes it; run stage train again")
        if file_digest(path) != digest:
            raise DamagedError(
                path,
                f"damaged or changed: its checksum is not the one in {CHECKSUMS}; run stage train again, or delete "
                f"{CHECKSUMS} if you changed it yourself",
            )
