"""Vectors as mining reads them: by slices, widened and normalised tile by tile.

Stored vectors are float16 (or float32) and may be memory-mapped; only the slice at hand is in memory. float16 storage
costs a vector up to 6e-5 of its length, so every slice is normalised again after widening. A vector that has no
direction (zero, NaN, infinite: a float16 that overflowed) is refused, because it would win or lose every comparison
silently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.console.errors import UserError


class VectorError(UserError):
    """Vectors that can't be mined: the message names the side and the row."""


class VectorSource(Protocol):
    """A matrix [n, d] of float16 or float32 whose rows can be sliced: an array, a memory map, `PickedVectors`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and dimension."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """float16 or float32."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> NDArray[Any]: ...


class PickedVectors:
    """Some rows of a matrix seen as a matrix, without copying them; a row may be there more than once.

    Args:
        vectors: [n, d], an array or a memory map.
        rows: which of them [m].
    """

    def __init__(self, vectors: NDArray[Any], rows: NDArray[np.int64]) -> None:
        self._vectors, self._rows = vectors, rows
        self.shape: tuple[int, ...] = (len(rows), vectors.shape[1])
        self.dtype: np.dtype[Any] = vectors.dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        """The rows of a slice, copied."""
        return np.asarray(self._vectors[self._rows[rows]])

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """The rows [r], copied, in the order given."""
        return np.asarray(self._vectors[self._rows[rows]])


def check_pair(x: VectorSource, y: VectorSource) -> None:
    """Refuse two sides that can't be compared.

    Raises:
        VectorError: if a side is no matrix of float16 or float32, or if the dimensions differ.
    """
    for side, vectors in (("a", x), ("b", y)):
        check_matrix(vectors, f"side {side}")
    if x.shape[1] != y.shape[1]:
        raise VectorError(
            f"side a has vectors of dimension {x.shape[1]}, side b of {y.shape[1]}; expected the same model's on both"
        )


def check_matrix(vectors: VectorSource, side: str) -> None:
    """Refuse what is no matrix of float16 or float32.

    Raises:
        VectorError: naming the side, what was found and what was expected.
    """
    if len(vectors.shape) != 2 or vectors.dtype not in (np.float16, np.float32):
        raise VectorError(f"{side}: found {vectors.dtype} of shape {vectors.shape}; expected float16 or float32 [n, d]")


def check_same_model(a: Mapping[str, Any], b: Mapping[str, Any], ignore: Sequence[str] = ("language",)) -> None:
    """Refuse vectors whose metadata say that different encoders made them.

    Args:
        a: what made side a's vectors (an artifact's ``made_by``).
        b: such vectors of side b.
        ignore: keys that may differ.

    Raises:
        VectorError: naming the first key that differs, and both values.
    """
    for key in sorted((set(a) | set(b)) - set(ignore)):
        if a.get(key) != b.get(key):
            raise VectorError(
                f"the two sides were embedded differently: {key} is {a.get(key)!r} on side a and {b.get(key)!r} on "
                "side b; embed both with the same model and settings"
            )


def normalised(vectors: VectorSource, start: int, stop: int, side: str, device: torch.device) -> torch.Tensor:
    """Rows ``start`` to ``stop`` as float32 of length 1, [stop - start, d], on a device.

    Raises:
        VectorError: if a row is zero or not finite, naming the first such row.
    """
    return _unit(np.asarray(vectors[start:stop]), range(start, stop), side, device)


def gathered(vectors: VectorSource, rows: NDArray[np.int64], side: str, device: torch.device) -> torch.Tensor:
    """Any rows [r], in the order given, as float32 of length 1, [r, d], on a device.

    Raises:
        VectorError: if a vector is zero or not finite.
    """
    return _unit(gathered_rows(vectors, rows), rows, side, device)


def gathered_rows(vectors: VectorSource, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Any rows [r], in the order given, as they are stored, [r, d]."""
    if isinstance(vectors, np.ndarray):
        return vectors[rows]
    if (take := getattr(vectors, "take", None)) is not None:
        return np.asarray(take(rows))
    taken = np.empty((len(rows), vectors.shape[1]), vectors.dtype)
    ends = np.append(np.flatnonzero(np.diff(rows) != 1) + 1, len(rows))
    start = 0
    for end in ends.tolist():  # a source that only slices: one slice for each run of neighbouring rows
        if end > start:
            taken[start:end] = vectors[int(rows[start]) : int(rows[end - 1]) + 1]
        start = end
    return taken


def _unit(part: NDArray[Any], rows: Sequence[int] | NDArray[np.int64], side: str, device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(part if part.flags.writeable else part.copy()).to(device).to(torch.float32)
    lengths = torch.linalg.vector_norm(tensor, dim=1, keepdim=True)
    bad = ~((lengths > 0) & torch.isfinite(lengths)).squeeze(1)
    if bool(bad.any()):
        row = int(bad.nonzero()[0, 0])
        raise VectorError(
            f"{side}, row {int(rows[row])}: {_fault(part[row])}; expected a finite vector that is not zero"
        )
    unit: torch.Tensor = tensor / lengths
    return unit


def _fault(row: NDArray[Any]) -> str:
    if np.isnan(row).any():
        return "the vector holds NaN"
    if np.isinf(row).any():
        return f"the vector holds infinity (as a number too large for {row.dtype} does)"
    return "the vector is zero" if not row.any() else "the vector's length overflows float32"
