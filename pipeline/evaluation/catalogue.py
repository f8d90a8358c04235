"""Which benchmarks there are, and where each is published (``catalogue.json``).

Files in git repositories are pinned to a commit and each to its SHA-256, archives to theirs. What can't be pinned is not
downloaded: the catalogue then says how to get it by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from pipeline.console.errors import UserError
from pipeline.evaluation.aligned import NTREX
from pipeline.evaluation.benchmark import Kind
from pipeline.evaluation.lines import choose_languages
from pipeline.evaluation.sts import STSB

FLORES_NAME = re.compile(r"([a-z]{3}_[A-Z][a-z]{3})\.(?:dev|devtest)")


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
    kind: Kind
    about: str
    home: str
    licence: str
    files: tuple[PinnedFile, ...] = field(default=())
    archive: PinnedArchive | None = None
    by_hand: str | None = None

    def file_names(self, names: Sequence[str], languages: Sequence[str] | None) -> list[str]:
        """Those of some file names that hold wanted languages; all if ``languages`` is None, or names tell no language."""
        codes = {name: _code(self.kind, name) for name in names}
        told = [code for code in codes.values() if code is not None]
        chosen = choose_languages(dict.fromkeys(told), languages)
        return [name for name, code in codes.items() if languages is None or code is None or code in chosen]


def _code(kind: Kind, name: str) -> str | None:
    match kind:
        case "tatoeba":
            found = re.match(r"tatoeba\.([a-z]{3})-eng\.", name)
        case "ntrex":
            found = NTREX.fullmatch(name)
        case "stsb":
            found = STSB.fullmatch(name)
        case "flores":
            found = FLORES_NAME.fullmatch(name)
        case _:
            found = None
    return found[1] if found else None


def catalogue() -> dict[str, BenchmarkSource]:
    """All benchmarks, by name."""
    text = resources.files("pipeline.evaluation").joinpath("catalogue.json").read_text(encoding="utf-8")
    return {name: _source(name, entry) for name, entry in json.loads(text).items()}


def _source(name: str, entry: dict[str, Any]) -> BenchmarkSource:
    files = tuple(
        PinnedFile(file, entry["base"] + file, pinned["bytes"], pinned["sha256"])
        for file, pinned in entry.get("files", {}).items()
    )
    archive = entry.get("archive")
    pinned = PinnedArchive(archive["url"], archive["sha256"], re.compile(archive["members"])) if archive else None
    said = {key: entry[key] for key in ("kind", "about", "home", "licence")}
    return BenchmarkSource(name=name, **said, files=files, archive=pinned, by_hand=entry.get("by_hand"))


def find_source(name: str) -> BenchmarkSource:
    """A benchmark by name.

    Raises:
        UserError: if the catalogue has none of that name.
    """
    known = catalogue()
    if name not in known:
        raise UserError(f"benchmarks: there is no {name!r}; expected one of {', '.join(sorted(known))}")
    return known[name]
