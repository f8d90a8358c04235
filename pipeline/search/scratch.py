"""Where arrays lie that grow with the corpus: in memory, or past a size in memory-mapped files of a scratch folder.

What is mapped counts as memory only as long as the system has room for it: pages are written to the files and forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.ground.mapped import mapped_array

CANDIDATE_BYTES = 52
"""Of one candidate (`pipeline.mining.retrieval.Candidates`)."""

COPIES = 4
"""Of candidates that are sorted: themselves, sorted, linked and not linked."""


@dataclass(frozen=True)
class ScratchArrays:
    """Arrays in memory, or in files of a folder.

    Attributes:
        folder: the folder of the arrays' files, deleted by whoever made it; None: arrays are in memory.
    """

    folder: Path | None = None

    @classmethod
    def for_rows(cls, folder: Path | None, rows: int, k: int, memory_bytes: int) -> Self:
        """Memory, if neighbours and candidates of so many rows of both sides together fit into it; else files.

        Args:
            folder: for files; not made before it is needed. None: there is nothing but memory.
            rows: the rows of both sides together, n + m.
            k: neighbours of a row.
            memory_bytes: the most bytes that may be held.
        """
        return cls(None if rows * (12 * k + COPIES * CANDIDATE_BYTES) <= memory_bytes else folder)

    def array(self, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
        """A new array of zeros.

        Args:
            name: the name of its file, which no other of these arrays has.
            dtype: the values' type.
            shape: the array's shape.

        Raises:
            OSError: if there is no room for it.
        """
        if self.folder is None or 0 in shape:
            return np.zeros(shape, dtype)
        self.folder.mkdir(parents=True, exist_ok=True)
        return mapped_array(self.folder / name, dtype, shape)

    def drop(self, name: str) -> None:
        """Delete an array's file; whoever still has the array can go on reading it."""
        if self.folder is not None:
            (self.folder / name).unlink(missing_ok=True)

    def part(self, name: str) -> ScratchArrays:
        """Other arrays, which may have the same names."""
        return ScratchArrays(None if self.folder is None else self.folder / name)
