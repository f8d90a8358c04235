"""A vector store elsewhere: on an object store, or whatever else fsspec opens (``s3://bucket/prefix``).

Vectors are read from and written to a folder here, as in any store, which is the cache of the other one: segments that a
lookup needs are brought first, segments that are added are sent at once. A segment never changes and has its content in its
name, so there is nothing to keep in step: what is there is right, and what two processes send is the same. An object is put
whole or not at all; on file systems a segment gets its name when it is complete.

A store that doesn't answer, or asks to slow down, is asked again, less and less often; then the run stops with one line.
What was embedded is in the cache by then, and sent by the next run.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.console.errors import UserError
from pipeline.ground.atomic import atomic_file, write_text
from pipeline.ground.hashing import canonical_json

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

log = logging.getLogger(__name__)

Result = TypeVar("Result")

REMOTE_FILE, IDENTITY_FILE = "remote.json", "identity.json"
UNSENT = ".unsent"
"""How the name of the note beside a segment ends that is still to be sent."""

FIRST_WAIT, WAITS = 0.5, 5
"""Seconds before the second try, twice as many before each that follows, and how many waits there are: 15 s in all."""
LIST_SECONDS = 60.0
"""How old a list of segments may be: another process' segments are seen that much later."""
USED_SECONDS = 86_400.0
"""A store is marked as used when its mark is older."""
RENAMING = {"file", "local", "sftp", "ssh", "smb", "ftp", "webhdfs", "hdfs"}
"""Where an upload grows under its name, but a file can be renamed in one step."""


class StoreError(UserError):
    """A store elsewhere that can't be used."""


def is_url(location: str) -> bool:
    """Whether a store's location is an fsspec URL and not a folder.

    >>> is_url("s3://bucket/prefix"), is_url("/shared/store"), is_url("C:/store")
    (True, False, False)
    """
    return "://" in location


def cache_folder(url: str, folder: Path) -> Path:
    """Make a folder the cache of a store elsewhere, and return it.

    Raises:
        StoreError: if it is another store's.
    """
    path = folder / REMOTE_FILE
    text = canonical_json({"url": url.rstrip("/")}) + "\n"
    if not path.exists():
        write_text(path, text)
    elif path.read_text(encoding="utf-8") != text:
        raise StoreError(f"{path}: names another store than SOFTALIGN_STORE, {url}; delete the folder, it is a cache")
    return folder


def remote_of(root: Path) -> RemoteStore | None:
    """The store that a folder is the cache of; None if it is a store itself.

    Raises:
        StoreError: if no such store can be opened.
    """
    try:
        found = json.loads((root / REMOTE_FILE).read_text(encoding="utf-8"))
        return RemoteStore.open(str(found["url"]))
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError) as error:
        raise StoreError(f"{root / REMOTE_FILE}: not readable ({error}); delete the folder, it is a cache") from None


@dataclass
class RemoteStore:
    """A store elsewhere.

    Attributes:
        url: the store's URL, for messages.
        system: what opens that URL.
        root: the store's path in the system.
    """

    url: str
    system: AbstractFileSystem
    root: str
    _listed: dict[str, tuple[float, list[str]]] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def open(cls, url: str) -> RemoteStore:
        """Open a store; nothing is asked of it yet.

        Raises:
            StoreError: if nothing here can open such a URL.
        """
        import fsspec  # most stores are folders

        try:
            system, root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            extra = "; pip install 'softalign[s3]'" if url.startswith("s3") else ""
            problem = f"{str(error).splitlines()[0]}{extra}"
            raise StoreError(f"SOFTALIGN_STORE: {url}: {problem}") from None
        except ValueError as error:
            problem = f"{error}; expected a folder or a URL such as s3://bucket/name"
            raise StoreError(f"SOFTALIGN_STORE: {url}: {problem}") from None
        return cls(url.rstrip("/"), system, root.rstrip("/"))

    def prepare(self, folder: Path, identity: Mapping[str, Any]) -> None:
        """See that the store elsewhere has the identity of an encoder, whose folder is the cache's, and count it as used."""
        path = f"{self.root}/{folder.name}/{IDENTITY_FILE}"
        with suppress(FileNotFoundError):
            about = self._tried(f"look at {path}", lambda: self.system.info(path))
            if time.time() - modified(about) < USED_SECONDS:
                return
        data = (canonical_json(identity) + "\n").encode()
        if self._renames:
            self._tried(f"write {path}", lambda: self.system.makedirs(f"{self.root}/{folder.name}", exist_ok=True))
        self._tried(f"write {path}", lambda: self.system.pipe_file(path, data))

    def fetch(self, folder: Path, wanted: Callable[[str], bool]) -> None:
        """Bring the wanted segments (by their names) that an encoder's folder in the cache lacks."""
        for name in self.segments(folder.name):
            local = folder / name
            if not wanted(name) or local.exists() or local.with_name(name + ".damaged").exists():
                continue
            source = f"{self.root}/{folder.name}/{name}"
            with suppress(FileNotFoundError), atomic_file(local) as temporary:  # it was pruned meanwhile
                self._tried(f"read {source}", partial(self.system.get_file, source, str(temporary)))

    def promise(self, segment: Path) -> None:
        """Note beside a segment of the cache, before it is written, that it is to be sent."""
        segment.with_name(segment.name + UNSENT).touch()

    def send(self, segment: Path) -> None:
        """Put a segment of the cache there; durable when this returns."""
        target = f"{self.root}/{segment.parent.name}/{segment.name}"
        self._tried(f"write {target}", lambda: self._put(segment, target))
        segment.with_name(segment.name + UNSENT).unlink(missing_ok=True)
        if (known := self._listed.get(segment.parent.name)) is not None and segment.name not in known[1]:
            known[1].append(segment.name)

    def send_promised(self, folder: Path) -> None:
        """Put there what a run that was stopped has left in the cache alone."""
        for promise in sorted(folder.glob(f"*{UNSENT}")):
            segment = promise.with_name(promise.name.removesuffix(UNSENT))
            if segment.exists():
                self.send(segment)
            else:
                promise.unlink(missing_ok=True)

    def segments(self, encoder: str) -> list[str]:
        """The names of an encoder's segments, sorted when they were listed; at most `LIST_SECONDS` old."""
        known = self._listed.get(encoder)
        if known is None or time.monotonic() - known[0] > LIST_SECONDS:
            folder = f"{self.root}/{encoder}"
            paths = self._tried(f"list {folder}", lambda: self._look(self.system.ls, folder, detail=False)) or []
            names = [str(path).rsplit("/", 1)[-1] for path in paths]
            segments = sorted(name for name in names if name.endswith(".arrow") and not name.startswith("."))
            known = self._listed[encoder] = (time.monotonic(), segments)
        return list(known[1])

    def _look(self, call: Callable[..., Any], path: str, detail: bool) -> Any:
        """What a listing returns now; None if there is no such folder."""
        self.system.invalidate_cache()  # fsspec keeps what it has listed, whatever others write
        with suppress(FileNotFoundError):
            return call(path, detail=detail)
        return None

    def contents(self) -> dict[str, dict[str, dict[str, Any]]]:
        """All that is there: what fsspec says of each file, by encoder and name. What is not a store's is left out."""
        listed = self._tried(f"list {self.root}", lambda: self._look(self.system.find, self.root, detail=True)) or {}
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for path, about in sorted(listed.items()):
            parts = path.removeprefix(self.root).strip("/").split("/")
            if len(parts) == 2 and not parts[1].startswith("."):
                found.setdefault(parts[0], {})[parts[1]] = about
        return {encoder: files for encoder, files in found.items() if IDENTITY_FILE in files}

    def read_text(self, encoder: str, name: str) -> str:
        """A small file of an encoder."""
        path = f"{self.root}/{encoder}/{name}"
        data: bytes = self._tried(f"read {path}", lambda: self.system.cat_file(path))
        return data.decode(errors="replace")

    def delete(self, encoder: str, names: list[str]) -> None:
        """Delete files of an encoder, in their order."""
        for name in names:
            path = f"{self.root}/{encoder}/{name}"
            with suppress(FileNotFoundError):
                self._tried(f"delete {path}", partial(self.system.rm_file, path))
        self._listed.pop(encoder, None)

    @property
    def _renames(self) -> bool:
        protocols = {self.system.protocol} if isinstance(self.system.protocol, str) else set(self.system.protocol)
        return bool(protocols & RENAMING)

    def _put(self, segment: Path, target: str) -> None:
        if not self._renames:
            self.system.put_file(str(segment), target)
            return
        folder, _, name = target.rpartition("/")
        temporary = f"{folder}/.{name}.{uuid.uuid4().hex[:8]}.tmp"
        self.system.makedirs(folder, exist_ok=True)  # it may have been pruned meanwhile
        self.system.put_file(str(segment), temporary)
        self.system.mv(temporary, target)

    def _tried(self, what: str, call: Callable[[], Result]) -> Result:
        """What a call returns; where it fails in a way that may pass, at last, after some waiting.

        Raises:
            StoreError: if it does not pass, or access is denied.
            FileNotFoundError: if there is no such file.
        """
        for number in range(WAITS + 1):
            try:
                return call()
            except FileNotFoundError:
                raise
            except PermissionError as error:
                raise StoreError(
                    f"{self.url}: access denied: can't {what} ({_line(error)}); check the credentials"
                ) from None
            except Exception as error:  # every backend has exceptions of its own
                problem, wait = _line(error), FIRST_WAIT * 2**number
            if number < WAITS:
                log.warning("%s: can't %s (%s); trying again in %g s", self.url, what, problem, wait)
                time.sleep(wait)
        raise StoreError(
            f"{self.url}: can't {what}, tried {WAITS + 1} times ({problem}); what was embedded is kept, "
            "run the same command again when the store answers"
        )


def modified(about: Mapping[str, Any]) -> float:
    """When a file was last written, in seconds since 1970; now, where the system doesn't say."""
    for name in ("LastModified", "mtime", "created", "last_modified", "updated"):
        value = about.get(name)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, datetime):
            return float(value.timestamp())
    return time.time()


def _line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__
