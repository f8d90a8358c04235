"""Downloads of benchmarks: HTTPS only, every byte checked against a pinned SHA-256 before it gets its name.

Archives are checked first, then opened member by member: only wanted members are written, under their bare names.
"""

from __future__ import annotations

import hashlib
import http.client
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

from pipeline.console.errors import InputError, UserError
from pipeline.console.progress import progress
from pipeline.evaluation.catalogue import file_names
from pipeline.evaluation.published import BenchmarkSource, PinnedArchive, PinnedFile
from pipeline.ground.atomic import atomic_file
from pipeline.ground.hashing import file_hash

SCHEMES = ("https",)
SECONDS = 60
"""Without a byte, after which a connection is given up."""

BLOCK = 1 << 18
ARCHIVE_BYTES = 256 << 20
"""The largest archive that is downloaded."""

MEMBER_BYTES = 16 << 20
UNPACKED_BYTES = 1 << 30
"""The largest member that is written, and the most that all of an archive may unpack to."""


class FetchError(UserError):
    """A download that failed, and what to do about it."""


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to allowed schemes."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """See the base class.

        Raises:
            FetchError: if it leads to another scheme.
        """
        _allowed(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _allowed(url: str) -> None:
    if urlsplit(url).scheme not in SCHEMES:
        raise FetchError(f"{url}: expected an address that begins with {SCHEMES[0]}://")


def fetch(source: BenchmarkSource, folder: Path, languages: Sequence[str] | None = None) -> list[Path]:
    """Bring a benchmark's files into a folder; those that are there already, and right, are not downloaded again.

    Args:
        source: which benchmark.
        folder: where to.
        languages: only files of these; all if None.

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
    wanted = set(file_names(source, [file.name for file in source.files], languages))
    files = [file for file in source.files if file.name in wanted]
    if not files:
        raise UserError(f"{source.name}: has no files in the languages {', '.join(languages or [])}")
    with progress(f"fetch {source.name}", len(files), "files") as advance:
        for file in files:
            _fetch_file(source, file, folder / file.name)
            advance(1)
    return [folder / file.name for file in files]


def _fetch_file(source: BenchmarkSource, file: PinnedFile, path: Path) -> None:
    if path.is_file() and file_hash(path) == file.sha256:
        return
    with atomic_file(path) as temporary:
        _download(source, file.url, file.sha256, temporary, file.size, path)


def _download(source: BenchmarkSource, url: str, sha256: str, to: Path, limit: int, path: Path) -> None:
    """Write what an address holds, at most ``limit`` bytes, and hold it to its digest; ``path`` is for messages."""
    _allowed(url)
    opener = urllib.request.build_opener(_NoDowngrade())
    request = urllib.request.Request(url, headers={"User-Agent": "softalign"})  # noqa: S310 - see _allowed
    digest, size, announced = hashlib.sha256(), 0, None
    try:
        with opener.open(request, timeout=SECONDS) as answer, to.open("wb") as opened:
            announced = answer.headers.get("Content-Length")
            while block := answer.read(BLOCK):
                size += len(block)
                if size > limit:
                    raise FetchError(f"{url}: more than the {limit:,} bytes expected; nothing was kept")
                digest.update(block)
                opened.write(block)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise FetchError(
            f"{source.name}: could not download {url} ({reason}); without a network, get it elsewhere and put it to "
            f"{path}: the same command then checks it"
        ) from None
    if digest.hexdigest() != sha256:
        short = f" after {size:,} of {announced} bytes" if announced and size < int(announced) else ""
        raise FetchError(
            f"{url}: found SHA-256 {digest.hexdigest()}{short}, expected {sha256}; nothing was kept, try again"
        )


def _fetch_archive(
    source: BenchmarkSource, archive: PinnedArchive, folder: Path, languages: Sequence[str] | None
) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    local = folder / PurePosixPath(urlsplit(archive.url).path).name
    with tempfile.TemporaryDirectory(prefix=".softalign-", dir=folder) as work:
        if local.is_file() and file_hash(local) == archive.sha256:
            path = local
        else:
            path = Path(work) / local.name
            with progress(f"fetch {source.name}", 1, "archives") as advance:
                _download(source, archive.url, archive.sha256, path, ARCHIVE_BYTES, local)
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
        archive: which members are wanted.
        folder: where to.
        source: whose files they are.
        languages: only files of these; all if None.

    Raises:
        InputError: if the archive is damaged, has a member that leads out of it, a wanted member that is no plain file or
            too large, or unpacks to too much. Nothing is written then.
    """
    try:
        with tarfile.open(path, "r:*") as opened:
            members = _checked(path, opened, archive)
            names = file_names(source, sorted(members), languages)
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
