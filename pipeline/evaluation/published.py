"""Where a benchmark is published, as its file in `pipeline.evaluation.benchmarks` says.

Files in git repositories are pinned to a commit and each to its SHA-256, archives to theirs. What can't be pinned is not
downloaded: it is said how to get it by hand.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class PinnedFile:
    """A file at a fixed address.

    Attributes:
        name: what it is called in the benchmark's folder.
        url: where it is, over HTTPS.
        size: in bytes.
        sha256: in hexadecimal.
    """

    name: str
    url: str
    size: int
    sha256: str


@dataclass(frozen=True)
class PinnedArchive:
    """A tar archive at a fixed address.

    Attributes:
        url: where it is, over HTTPS.
        sha256: in hexadecimal.
        members: a pattern of the whole names of the members that are wanted; its group is the name in the folder.
    """

    url: str
    sha256: str
    members: re.Pattern[str]


@dataclass(frozen=True)
class BenchmarkSource:
    """A benchmark as published.

    Attributes:
        name: what it is fetched by.
        kind: how it is read.
        about: in a line.
        home: its public home.
        licence: an SPDX expression, or where it is said.
        files: its files, if they can be pinned one by one.
        archive: or the archive that holds them.
        by_hand: or what to do.
    """

    name: str
    kind: str
    about: str
    home: str
    licence: str
    files: tuple[PinnedFile, ...] = field(default=())
    archive: PinnedArchive | None = None
    by_hand: str | None = None


def pinned_files(path: Path) -> tuple[PinnedFile, ...]:
    """The files that a JSON file lists: ``base``, an address, and ``files``, by name with their size and SHA-256."""
    listed = json.loads(path.read_text(encoding="utf-8"))
    return tuple(
        PinnedFile(name, listed["base"] + name, pinned["bytes"], pinned["sha256"])
        for name, pinned in listed["files"].items()
    )
