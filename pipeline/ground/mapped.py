"""Arrays in files of their own, for what may be larger than memory."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np

WITHOUT = frozenset({errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})
"""What a file system answers that can't set room aside."""


def mapped_array(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A new array of zeros in a memory-mapped file, all of whose room is taken at once.

    Without that, a full disk would show itself where the array is written to: the system then ends the process (SIGBUS), and
    nothing can be said.

    Args:
        path: the file; not there yet.
        dtype: the values' type.
        shape: the array's shape; no axis is empty.

    Raises:
        OSError: if there is no room for it.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    with path.open("wb") as opened:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(opened.fileno(), 0, size)
        except OSError as error:
            if error.errno not in WITHOUT:
                raise OSError(error.errno, error.strerror, str(path)) from None
    taken = path.stat().st_size == size
    return np.memmap(path, dtype=dtype, mode="r+" if taken else "w+", shape=shape)
