"""What is found by reading a whole file, found once a process: while the file is the same, it isn't read again.

A stage asks for a model of 490 MB several times, as teacher, as student and for its tokenizer, and each time wants to know
that it is whole and which one it is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path

FileState = tuple[int, ...]

SETTLED_SECONDS = 2.0
"""A file changed less long ago is not remembered: a second change could fall into the same tick of the clock."""


def file_state(about: os.stat_result) -> FileState:
    """What differs as soon as a file is replaced or written to."""
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def once_a_file(read: Callable[[Path], str]) -> Callable[[Path], str]:
    """The same function of a file's bytes, which reads each file once as long as its `file_state` stays."""
    known: dict[FileState, str] = {}

    @wraps(read)
    def remembered(path: Path) -> str:
        about = path.stat()
        state = file_state(about)
        if state not in known:
            found = read(path)
            if time.time() - max(about.st_mtime, about.st_ctime) < SETTLED_SECONDS:
                return found
            known[state] = found
        return known[state]

    return remembered
