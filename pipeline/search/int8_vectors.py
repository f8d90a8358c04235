"""Sketches: vectors as one byte a number, for finding candidates that are then scored exactly.

A CPU with instructions for it (VNNI) multiplies bytes about five times as fast as float32 (measured on two cores of an AMD
EPYC: 435 against 89 billion operations a second), and the products, being whole numbers, are the same everywhere. Without
them bytes take thirty times as long as float32 (2.4 against 84 billion), so there the same products are made in float32.
Vectors are rotated first by a random orthogonal matrix, so that no coordinate is much larger than the others and one scale
serves all of them: of 384 dimensions a cosine is then off by 0.0007 (one standard deviation), which exchanges neighbours
only where they are as good as equal. Optionally only the directions of most variance are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.search.best import BLOCK
from pipeline.search.tiles import Plan, Tiler
from pipeline.search.vectors import VectorSource, gathered_rows, normalised

LOWEST = float(-(2**31))
"""The similarity of padding in a tile of sketches: below every product of bytes."""

DEVIATIONS = 4.5
"""Coordinates are cut off past so many standard deviations: a byte's 127."""

EXACT_IN_FLOAT = 1040
"""So many products of numbers up to 127 sum to less than 2²⁴, up to which float32 holds every whole number."""

Bytes = NDArray[np.int8]


@dataclass(frozen=True)
class Rotation:
    """From vectors of length 1 to sketches.

    Attributes:
        matrix: [d, s] rotation (and choice of directions) times the scale.
    """

    matrix: torch.Tensor

    def __call__(self, unit: torch.Tensor) -> torch.Tensor:
        """The sketches [r, s] (int8) of vectors of length 1 [r, d]."""
        return (unit @ self.matrix).round_().clamp_(-127, 127).to(torch.int8)


@lru_cache(maxsize=4)
def rotation(dimension: int, seed: int) -> torch.Tensor:
    """A random rotation [d, d], after which no coordinate of a vector is much larger than the others; not to be changed."""
    normal = np.random.default_rng(seed).standard_normal((dimension, dimension))
    return torch.from_numpy(np.linalg.qr(normal)[0].astype(np.float32))


def make_projection(sample: torch.Tensor, size: int, seed: int) -> Rotation:
    """Learn a projection from a sample.

    Args:
        sample: [r, d] vectors of length 1 of both sides.
        size: s, numbers of a sketch; d keeps all directions.
        seed: of the rotation.
    """
    dimension = sample.shape[1]
    matrix = rotation(size, seed).to(sample.device)
    if size < dimension:
        _, directions = torch.linalg.eigh(sample.t() @ sample)
        matrix = directions[:, -size:] @ matrix
    deviation = float((sample @ matrix).square().mean().sqrt())
    return Rotation(matrix * (127 / (DEVIATIONS * deviation)))


def sketch_all(vectors: VectorSource, projection: Rotation, plan: Plan, side: str, out: Bytes) -> Bytes:
    """Write the sketches [n, s] of all rows to ``out``; reads the vectors once, by slices.

    Raises:
        VectorError: if a vector is zero or not finite.
    """
    for start in range(0, len(vectors), plan.tile):
        stop = min(start + plan.tile, len(vectors))
        out[start:stop] = projection(normalised(vectors, start, stop, side, projection.matrix.device)).cpu().numpy()
    return out


def byte_products(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """The products [r, c] (int32) of sketches [r, s] and transposed sketches [s, c], exactly.

    Holds the same in float32 besides, where the CPU has no products of bytes.
    """
    # Of a single number torch._int_mm (2.13, CPU) leaves the result as it was.
    if a.is_cuda or (multiplies_bytes() and a.shape[1] > 1):
        return torch._int_mm(a, b) if out is None else torch._int_mm(a, b, out=out)
    return float_products(a, b, out)


def float_products(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """`byte_products` by way of float32, which holds every sum of so many products of bytes exactly."""
    total = torch.empty(len(a), b.shape[1], dtype=torch.int32) if out is None else out
    for start in range(0, max(a.shape[1], 1), EXACT_IN_FLOAT):
        part = slice(start, start + EXACT_IN_FLOAT)
        products = a[:, part].to(torch.float32) @ b[part].to(torch.float32)
        if start:
            total += products.to(torch.int32)
        else:
            total.copy_(products)
    return total


@lru_cache(maxsize=1)
def multiplies_bytes() -> bool:
    """Whether this machine's CPU has instructions for sums of products of bytes."""
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))


class SketchTiler(Tiler):
    """Tiles of products of sketches; see `pipeline.search.tiles.Tiler`.

    Args:
        plan: how large a tile may be.
        device: where it is.
    """

    lowest = LOWEST

    def __init__(self, plan: Plan, device: torch.device) -> None:
        super().__init__(plan, device)
        self.buffer = torch.empty(plan.tile * plan.tile, dtype=torch.int32, device=device)

    def product(self, strip: Any, y_tile: Any) -> None:
        """The products of a strip [r, s] with a transposed tile [s, c]; `LOWEST` in the padding."""
        rows, columns = len(strip), y_tile.shape[1]
        down, right = -rows % BLOCK, -columns % BLOCK
        strip = torch.nn.functional.pad(strip, (0, 0, 0, down)) if down else strip
        y_tile = torch.nn.functional.pad(y_tile, (0, right)) if right else y_tile
        shape = rows + down, columns + right
        self.tile = self.buffer[: shape[0] * shape[1]].view(shape)
        byte_products(strip, y_tile, self.tile)
        self.tile[rows:] = int(LOWEST)
        self.tile[:, columns:] = int(LOWEST)


def rescoring_rows(candidates: int, dimension: int, memory_bytes: int) -> int:
    """Rows that `rescored` compares at once: ranges of so many, or of a multiple, are compared as the whole is."""
    return max(1, memory_bytes // (16 * max(1, candidates * dimension)))


def rescored(
    x: VectorSource,
    y: VectorSource,
    row: NDArray[np.int64],
    k: int,
    memory_bytes: int,
    device: torch.device,
    first: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The best k of some rows' candidates by their exact cosines.

    Args:
        x: side a's vectors [n, d].
        y: side b's vectors [m, d].
        row: candidates, rows of y [r, c]; -1: none.
        k: how many are kept.
        memory_bytes: for the candidates' vectors at hand.
        device: where they are compared.
        first: the row of x that the first candidates are of.

    Returns:
        Similarities [r, k] and rows of y [r, k], best first, ties to the lower row; -inf and -1 where there are fewer.
    """
    similarity = np.full((len(row), k), -np.inf, np.float32)
    best = np.full((len(row), k), -1, np.int64)
    step = rescoring_rows(row.shape[1], x.shape[1], memory_bytes)
    for start in range(0, len(row), step):
        stop = min(start + step, len(row))
        own = normalised(x, first + start, first + stop, "side a", device)
        part = row[start:stop]
        scores = np.where(part >= 0, _cosines(own, y, np.where(part >= 0, part, 0), device), -np.inf)
        order = np.lexsort((part, -scores), axis=1)[:, :k]
        kept = order.shape[1]
        similarity[start:stop, :kept] = np.take_along_axis(scores, order, axis=1)
        best[start:stop, :kept] = np.take_along_axis(part, order, axis=1)
    return similarity, best


def _cosines(own: torch.Tensor, y: VectorSource, part: NDArray[np.int64], device: torch.device) -> NDArray[np.float32]:
    others = torch.from_numpy(gathered_rows(y, part.reshape(-1))).to(device)
    wide = others.to(torch.float32).view(*part.shape, -1)
    scores = torch.bmm(wide, own.unsqueeze(2)).squeeze(2) / torch.linalg.vector_norm(wide, dim=2)
    found: NDArray[np.float32] = scores.cpu().numpy()
    return found
