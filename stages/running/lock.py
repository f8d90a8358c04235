"""One run of a stage at a time in a project, and none whose DVC is gone."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from filelock import FileLock, Timeout

from pipeline.ground.atomic import write_text

log = logging.getLogger(__name__)

NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""What a file system answers that has no locks; not what a full or read-only one does."""

SHELLS = frozenset({"sh", "dash", "ash", "bash", "ksh", "mksh", "zsh", "fish"})
"""What DVC may start a stage through."""

PARENT_SECONDS = 1.0
"""How often a stage looks whether its DVC still lives."""


@contextmanager
def one_at_a_time(lock: Path, name: str) -> Iterator[None]:
    """Hold a stage's lock; if another process holds it, say which, and wait.

    The system takes the lock back when its holder ends, however it ends. Where the system has no locks (some network file
    systems) nobody waits, and a line says so.

    Args:
        lock: the lock's file; who holds it stands beside it.
        name: the stage's, for the user.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    holder = lock.with_suffix(".json")
    held = FileLock(lock)
    try:
        held.acquire(blocking=False)
    except Timeout:
        log.warning("%s: %s runs it in this project; waiting for its end", name, _holder(holder))
        held.acquire(poll_interval=0.5)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
        log.warning("%s: no file locks in %s; see to it that the stage runs once at a time", name, lock.parent)
        yield
        return
    try:
        write_text(holder, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}) + "\n")
        yield
    finally:
        holder.unlink(missing_ok=True)
        held.release()


def _holder(path: Path) -> str:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return f"process {found['pid']} on {found['host']}"
    except (OSError, ValueError, KeyError, TypeError):  # it has only just begun, or ended
        return "another process"


def stop_without_parent() -> None:
    """Be stopped as by SIGTERM when the process that started this one ends.

    DVC that is killed leaves its stage running; the next ``dvc repro`` would run the same stage beside it. DVC starts a
    stage through the user's shell, and a shell that does not become its command (dash) stays between the two and lives on:
    so the process that started the shell is looked at too.
    """
    ancestors = _starters()

    def watch() -> None:
        while _same(ancestors):
            time.sleep(PARENT_SECONDS)
        log.warning("the process that started this stage has ended")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _starters() -> list[int]:
    """This process, its parent, and, as long as that is a shell, the next one's."""
    chain = [os.getpid(), os.getppid()]
    with suppress(psutil.Error):
        while (last := psutil.Process(chain[-1])).name() in SHELLS:
            chain.append(last.ppid())
    return chain


def _same(chain: list[int]) -> bool:
    """Whether each is still its predecessor's parent; a process whose parent ends gets another one at once."""
    try:
        return all(psutil.Process(one).ppid() == parent for one, parent in pairwise(chain))
    except psutil.Error:
        return False
