"""Files and folders that appear whole or not at all.

A process may be killed at any moment. Everything is written beside its destination, synced to the disk and then renamed:
a reader sees the old content or the new, never a part. An existing file is never opened for writing (it may be a hard
link into DVC's cache).

While a process writes, it holds a lock (``flock``) on its temporary file or folder, which the system takes back whatever
happens to the process. What nobody holds is therefore what a killed process left, and the next writer of the same thing
deletes it; what another living process is writing stays.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FILE_END, FOLDER_END, OLD_END = ".tmp", ".part", ".old.part"
"""How the names of temporary files and folders end, and of a folder that is about to be deleted."""

LEFT_SECONDS = 86_400.0
"""Where the system has no locks (some network file systems), what was not touched for so long counts as left behind."""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (a no-op where the system can't open folders)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; when the block ends without an error it becomes ``path``.

    What earlier, killed runs left of the same file is cleared first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path.parent, path.name)
    temporary, lock = _claimed(path.parent, path.name, FILE_END)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(lock)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, with line ends as given."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``path``; when the block ends without an error it replaces ``path``.

    What earlier, killed runs left of the same folder is cleared first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _put_back(path)
    with scratch_folder(path.parent, path.name) as temporary:
        yield temporary
        _finish_files(temporary)
        temporary.chmod(0o777 & ~_umask())
        _replace_folder(temporary, path)


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield an empty folder below ``parent`` for one run's own files, deleted at the end.

    Its name holds ``name``; what earlier, killed runs left under the same name is cleared first.
    """
    parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(parent, name, FOLDER_END)
    temporary, lock = _claimed(parent, name, FOLDER_END)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(lock)


def clear_leftovers(folder: Path, name: str | None = None, suffix: str = FILE_END) -> None:
    """Delete temporary files and folders that no living process holds, in a folder and not below it.

    ``name``: what they were to become (None: anything); ``suffix``: the end of their names, one of this module's.
    """
    for path in _temporaries(folder, name, suffix):
        _clear(path)


def _temporaries(folder: Path, name: str | None, suffix: str) -> list[Path]:
    prefix = "." if name is None else f".{name}."
    with os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries if entry.name.startswith(prefix) and entry.name.endswith(suffix))
    # The middle is made up and has no dot: `.a.txt.x1.tmp` is to become a.txt, and is none of the file a's.
    return [
        folder / each
        for each in found
        if name is None or "." not in each[len(prefix) : -len(suffix)].removesuffix(OLD_END.removesuffix(FOLDER_END))
    ]


def _clear(path: Path) -> None:
    with suppress(OSError), _locked(path) as free:  # else gone by itself, or not ours to delete
        if free and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif free:
            path.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold the lock of a temporary file or folder, if it is free; yields whether it was."""
    lock = _open(path)
    try:
        yield _lock(lock)
    finally:
        os.close(lock)


def _claimed(parent: Path, name: str, suffix: str) -> tuple[Path, int]:
    """A new temporary file or folder, and the descriptor that holds it."""
    while True:
        if suffix == FILE_END:
            handle, made = tempfile.mkstemp(dir=parent, prefix=f".{name}.", suffix=suffix)
            os.close(handle)
        else:
            made = tempfile.mkdtemp(dir=parent, prefix=f".{name}.", suffix=suffix)
        lock = None
        with suppress(FileNotFoundError):
            lock = _open(Path(made))
            # Another process that clears may have come between, and have taken it for left behind.
            if _lock(lock, new=True) and Path(made).exists():
                return Path(made), lock
        if lock is not None:
            os.close(lock)


def _open(path: Path) -> int:
    # Network file systems lock only what is open for writing; a folder can't be.
    return os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)


def _lock(descriptor: int, new: bool = False) -> bool:
    """Whether the lock was free, and is ours; without locks: whether it is ``new`` or was not touched for long."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return new or time.time() - os.fstat(descriptor).st_mtime > LEFT_SECONDS
    return True


def _replace_folder(new: Path, path: Path) -> None:
    """Put a folder in another's place; what it replaces is moved away first, and comes back if that fails."""
    old = new.with_suffix(OLD_END)
    try:
        while True:
            held = _moved_away(path, old)
            try:
                new.rename(path)
                break
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                # Another process has put its own there meanwhile.
                shutil.rmtree(old, ignore_errors=True)
            finally:
                if held is not None:
                    os.close(held)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    sync_folder(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def _moved_away(path: Path, old: Path) -> int | None:
    """Move a folder away, locked so that no other process clears it; returns the lock, None if there is no folder."""
    try:
        lock = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        _lock(lock)
        with suppress(FileNotFoundError):
            path.rename(old)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _put_back(path: Path) -> None:
    """A folder that a process had moved away when it was killed, just before it would have put the new one there."""
    if path.exists():
        return
    for old in _temporaries(path.parent, path.name, OLD_END):
        with suppress(OSError), _locked(old) as free:
            if free:
                old.rename(path)
                return


def _finish_files(folder: Path) -> None:
    """Make a folder's files durable, and readable for whom the umask lets read (safetensors writes for the owner alone)."""
    mode = 0o666 & ~_umask()
    for parent, _, names in os.walk(folder):
        for name in names:
            with Path(parent, name).open("rb") as written:
                os.fsync(written.fileno())
                os.fchmod(written.fileno(), mode)
        sync_folder(Path(parent))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
