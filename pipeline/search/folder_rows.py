"""Some rows of a folder of vectors, as mining reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.folders import VectorFolder
from pipeline.ground.arrays import Rows


@dataclass(frozen=True)
class SelectedVectors:
    """The vectors of some rows of a folder, as a matrix that is read by slices (see `pipeline.search.vectors`).

    Attributes:
        folder: the vectors, memory-mapped.
        rows: which of them [n].
    """

    folder: VectorFolder
    rows: Rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and dimension."""
        return (len(self.rows), self.folder.dimension)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of stored vectors."""
        return np.dtype(np.float16)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice, /) -> NDArray[np.float16]:
        return self.folder.select(self.rows[rows])

    def take(self, rows: Rows) -> NDArray[np.float16]:
        """The rows [r], copied, in the order given."""
        return self.folder.select(self.rows[rows])
