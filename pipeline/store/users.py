"""Who is using a part of the store, so that nothing is pruned under a running process.

Every process that uses an encoder's vectors holds a lock of its own below ``users/``, with its name in it; the system takes
the lock back however the process ends. A lock that can be had is therefore a dead process', and is deleted.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

USERS = "users"


class Use:
    """Notes that this process uses a folder of the store, until `end`, or until the object or the process is gone."""

    def __init__(self, folder: Path) -> None:
        self._end: Callable[[], object] = lambda: None
        name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        path = folder / USERS / f"{name}.lock"
        # A store that may only be read, or without locks, can be used all the same.
        with suppress(OSError, NotImplementedError):
            path.parent.mkdir(exist_ok=True)
            lock = FileLock(path, blocking=False)
            lock.acquire()
            holder = path.with_suffix(".json")
            holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}) + "\n", encoding="utf-8")
            self._end = weakref.finalize(self, _release, lock, path, os.getpid())

    def end(self) -> None:
        """Say that the folder is no longer used."""
        self._end()


def _release(lock: FileLock, path: Path, pid: int) -> None:
    if os.getpid() == pid:  # a forked child inherits the object, not the use
        _delete(lock, path)


def _delete(lock: FileLock, path: Path) -> None:
    """Delete a lock that this process holds, with the name in it."""
    for left in (path.with_suffix(".json"), path):
        with suppress(OSError):
            left.unlink(missing_ok=True)
    lock.release()


def users(folder: Path) -> list[str]:
    """The living processes that use a folder of the store, as ``process 12 on host``; what dead ones left is deleted."""
    found, paths = [], list[Path]()
    with suppress(FileNotFoundError):  # pruned by another process meanwhile: nobody uses what is gone
        paths = sorted((folder / USERS).glob("*.lock"))
    for path in paths:
        lock = FileLock(path, blocking=False)
        try:
            lock.acquire()
        except Timeout:
            found.append(_name(path))
        except (OSError, NotImplementedError):
            continue  # gone meanwhile
        else:
            _delete(lock, path)
    return found


def _name(path: Path) -> str:
    try:
        user = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return f"process {user['pid']} on {user['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return f"process {path.stem}"
