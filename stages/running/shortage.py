"""What ran out, in words: errors of a full disk, missing rights, open files or memory, whichever library raises them."""

from __future__ import annotations

import errno
import re
from collections.abc import Collection

ERRNO = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than is allowed here (ulimit -f)",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "not permitted",
    errno.EMFILE: "too many open files (ulimit -n)",
    errno.ENFILE: "too many open files in the whole system",
    errno.ENOMEM: "out of memory",
    errno.EIO: "the disk can't be read or written (input/output error)",
}
ADVICE = {
    errno.ENOSPC: "make room and run the same command again; what was finished is kept",
    errno.EDQUOT: "make room and run the same command again; what was finished is kept",
    errno.ENOMEM: "lower the sizes in params.yaml (train.chunk, batch_tokens, memory_bytes) or run it with more memory",
}
RAN_OUT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What is no file's own fault: a reader that meets it must not be believed when it calls the file damaged."""

# Libraries in other languages (safetensors, tokenizers, Polars, FAISS, torch) keep only the text of the system's error.
PATTERNS = (
    (re.compile(r"No space left on device|os error 28\b|errno 28\b", re.IGNORECASE), errno.ENOSPC),
    (re.compile(r"Disk quota exceeded|os error 122\b", re.IGNORECASE), errno.EDQUOT),
    (re.compile(r"File too large|os error 27\b", re.IGNORECASE), errno.EFBIG),
    (re.compile(r"Read-only file system|os error 30\b", re.IGNORECASE), errno.EROFS),
    (re.compile(r"Permission denied|os error 13\b", re.IGNORECASE), errno.EACCES),
    (re.compile(r"Too many open files|os error 24\b", re.IGNORECASE), errno.EMFILE),
    (
        re.compile(
            r"not enough memory|can't allocate memory|Cannot allocate memory|out of memory|std::bad_alloc"
            r"|os error 12\b|failed to map segment|can't start new thread",
            re.IGNORECASE,
        ),
        errno.ENOMEM,
    ),
)


def shortage(error: BaseException, among: Collection[int] = frozenset(ERRNO)) -> str | None:
    """One line that says what ran out and where, if that is what an error is about.

    Args:
        error: with those that it came from.
        among: the errors (`errno`) to look for.

    >>> shortage(OSError(28, "No space left on device", "data/teacher/en"))[:38]
    'data/teacher/en: the disk is full; mak'
    >>> shortage(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"))[:13]
    'out of memory'
    >>> shortage(ValueError("shapes differ")) is None
    True
    """
    for each in _chain(error):
        number = _number(each)
        if number is not None and number in among:
            where = getattr(each, "filename", None)
            line = f"{where}: {ERRNO[number]}" if where else ERRNO[number]
            return f"{line}; {ADVICE[number]}" if number in ADVICE else line
    return None


def _number(error: BaseException) -> int | None:
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in ERRNO else None
    text = str(error)
    return next((number for pattern, number in PATTERNS if pattern.search(text)), None)


def _chain(error: BaseException) -> list[BaseException]:
    """The error and those that it came from."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found
