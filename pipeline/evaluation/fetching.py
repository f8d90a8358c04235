"""Downloads of benchmarks, by pooch: HTTPS only, every byte checked against a pinned SHA-256 before it gets its name.

Archives are checked first, then opened member by member: only wanted members are written, under their bare names.
"""

from __future__ import annotations

import logging
import re
import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

import pooch
import requests
from requests.adapters import HTTPAdapter

from pipeline.console.errors import InputError, UserError
from pipeline.console.progress import progress
from pipeline.evaluation.catalogue import BenchmarkSource, PinnedArchive
from pipeline.ground.atomic import atomic_file
from pipeline.ground.hashing import file_hash

SCHEMES = ("https",)
HEADERS = {"User-Agent": "softalign", "Accept-Encoding": "identity"}
SECONDS = 60
"""Without a byte, after which a connection is given up."""

BLOCK = 1 << 18
ARCHIVE_BYTES = 256 << 20
"""The largest archive that is downloaded."""

MEMBER_BYTES = 16 << 20
UNPACKED_BYTES = 1 << 30
"""The largest member that is written, and the most that all of an archive may unpack to."""

pooch.get_logger().setLevel(logging.WARNING)  # progress is shown by `progress`


class FetchError(UserError):
    """A download that failed, and what to do about it."""


def fetch(source: BenchmarkSource, folder: Path, languages: Sequence[str] | None = None) -> list[Path]:
    """Bring a benchmark's files into a folder; those that are there already, and right, are not downloaded again.

    Args:
        source: the benchmark's entry in the catalogue.
        folder: where the files go.
        languages: the languages whose files are wanted; all if None.

    Returns:
        The files.

    Raises:
        FetchError: if it can't be downloaded, has another digest, or has to be got by hand; the line says what to do.
        UserError: if it has no files in these languages.
    """
    if source.by_hand is not None:
        raise FetchError(
            f"{source.name}: can't be pinned, so it is not downloaded. From {source.home}: {source.by_hand}"
        )
    if source.archive is not None:
        return _fetch_archive(source, source.archive, folder, languages)
    wanted = set(source.file_names([file.name for file in source.files], languages))
    files = [file for file in source.files if file.name in wanted]
    if not files:
        raise UserError(f"{source.name}: has no files in the languages {', '.join(languages or [])}")
    with progress(f"fetch {source.name}", len(files), "files") as advance:
        for file in files:
            _retrieve(source, file.url, file.sha256, folder / file.name, file.size)
            advance(1)
    return [folder / file.name for file in files]


def _retrieve(
    source: BenchmarkSource, url: str, sha256: str, path: Path, limit: int, by_hand: Path | None = None
) -> None:
    """Have pooch write what an address holds, at most ``limit`` bytes, unless the file is there with this digest.

    Args:
        source: the benchmark, for messages.
        url: the file's address.
        sha256: its digest.
        path: where it goes.
        limit: the most bytes that it may have.
        by_hand: where a user without a network can put it; ``path`` if None.
    """
    try:
        pooch.retrieve(url, f"sha256:{sha256}", path.name, path.parent, downloader=partial(_download, limit=limit))
    except requests.exceptions.InvalidSchema:
        raise FetchError(f"{url}: expected an address that begins with {SCHEMES[0]}://") from None
    except requests.RequestException as error:
        raise FetchError(
            f"{source.name}: could not download {url} ({error}); without a network, get it elsewhere and put it to "
            f"{by_hand or path}: the same command then checks it"
        ) from None
    except ValueError as error:  # pooch's: the digest is another one
        found = next((one for one in re.findall(r"[0-9a-f]{64}", str(error)) if one != sha256), "none")
        raise FetchError(f"{url}: found SHA-256 {found}, expected {sha256}; nothing was kept, try again") from None


def _download(url: str, to: str | IO[bytes], _: Any, *, limit: int) -> None:
    """Pooch's downloader, with a limit of bytes, and redirects to the allowed schemes only."""
    with requests.Session() as session, Path(str(to)).open("wb") as opened:
        session.adapters = {f"{scheme}://": HTTPAdapter() for scheme in SCHEMES}
        answer = session.get(url, stream=True, timeout=SECONDS, headers=HEADERS)
        answer.raise_for_status()
        size = 0
        for block in answer.iter_content(BLOCK):
            size += len(block)
            if size > limit:
                raise FetchError(f"{url}: more than the {limit:,} bytes expected; nothing was kept")
            opened.write(block)


def _fetch_archive(
    source: BenchmarkSource, archive: PinnedArchive, folder: Path, languages: Sequence[str] | None
) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    local = folder / PurePosixPath(urlsplit(archive.url).path).name
    with tempfile.TemporaryDirectory(prefix=".softalign-", dir=folder) as work:
        # An archive that the user put there is used; one that is downloaded goes when its members are out.
        path = local
        if not (local.is_file() and file_hash(local) == archive.sha256):
            path = Path(work) / local.name
            with progress(f"fetch {source.name}", 1, "archives") as advance:
                _retrieve(source, archive.url, archive.sha256, path, ARCHIVE_BYTES, local)
                advance(1)
        found = unpack(path, archive, folder, source, languages)
    if not found:
        raise UserError(f"{source.name}: has no files in the languages {', '.join(languages or [])}")
    return found


def unpack(
    path: Path, archive: PinnedArchive, folder: Path, source: BenchmarkSource, languages: Sequence[str] | None
) -> list[Path]:
    """Write the wanted members of an archive into a folder, under their bare names.

    Args:
        path: the archive.
        archive: its entry in the catalogue, which says which members are wanted.
        folder: where the files go.
        source: the benchmark's entry in the catalogue.
        languages: the languages whose files are wanted; all if None.

    Raises:
        InputError: if the archive is damaged, has a member that leads out of it, a wanted member that is no plain file or
            too large, or unpacks to too much. Nothing is written then.
    """
    try:
        with tarfile.open(path, "r:*") as opened:
            members = _checked(path, opened, archive)
            names = source.file_names(sorted(members), languages)
            for name in names:
                content = opened.extractfile(members[name])
                if content is None:
                    raise InputError(path, f"its member {name} can't be read")
                with atomic_file(folder / name) as temporary:
                    temporary.write_bytes(content.read(MEMBER_BYTES + 1))
    except (tarfile.TarError, EOFError, OSError) as error:
        with suppress(AttributeError):
            error.add_note(str(path))
        raise InputError(path, f"not a readable tar archive ({error})") from None
    return [folder / name for name in names]


def _checked(path: Path, opened: tarfile.TarFile, archive: PinnedArchive) -> dict[str, tarfile.TarInfo]:
    """The wanted members by their bare names, after a look at all of them."""
    found: dict[str, tarfile.TarInfo] = {}
    total = 0
    # All members are looked at, also those that nobody wants: one that means harm speaks against the whole archive.
    for member in opened:
        parts = PurePosixPath(member.name).parts
        total += max(member.size, 0)
        if member.name.startswith("/") or ".." in parts or "\\" in member.name:
            raise InputError(path, f"its member {member.name!r} leads out of the archive; nothing was written")
        if total > UNPACKED_BYTES:
            raise InputError(path, f"unpacks to more than {UNPACKED_BYTES:,} bytes; nothing was written")
        match = archive.members.fullmatch("/".join(part for part in parts if part != "."))
        if match is None:
            continue
        if not member.isreg() or member.size > MEMBER_BYTES:
            problem = f"has {member.size:,} bytes" if member.isreg() else "is a link or device"
            raise InputError(path, f"its member {member.name!r} {problem}; expected a plain file; nothing was written")
        found[match[1]] = member
    return found
