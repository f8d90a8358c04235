"""Vectors as one byte a number (sketches), and their products, which bound the similarities of `pipeline.search.bounded`.

A CPU with instructions for it (VNNI) multiplies bytes about five times as fast as float32 (measured on two cores of an AMD
EPYC: 435 against 89 billion operations a second), and a CUDA card by its tensor cores; the products, being whole
    numbers, are the same everywhere. Without them bytes take thirty times as long as float32 (2.4 against 84 billion).
    Vectors are rotated first
by a random orthogonal matrix, so that no coordinate is much larger than the others and one scale serves all of them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

LOWEST = float(-(2**31))
"""The similarity of padding in a tile of sketches: below every product of bytes."""

DEVIATIONS = 4.5
"""Coordinates are cut off past so many standard deviations: a byte's 127."""

EXACT_IN_FLOAT = 1040
"""So many products of numbers up to 127 sum to less than 2²⁴, up to which float32 holds every whole number."""


@lru_cache(maxsize=4)
def rotation(dimension: int, seed: int) -> torch.Tensor:
    """A random rotation [d, d], after which no coordinate of a vector is much larger than the others; not to be changed."""
    normal = np.random.default_rng(seed).standard_normal((dimension, dimension))
    return torch.from_numpy(np.linalg.qr(normal)[0].astype(np.float32))


def byte_products(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """The products [r, c] (int32) of sketches [r, s] and transposed sketches [s, c], exactly.

    Holds the same in float32 besides, where the CPU has no products of bytes.
    """
    # Of a single number torch._int_mm (2.13, CPU) leaves the result as it was.
    if multiplies_bytes(a.device) and a.shape[1] > 1:
        return torch._int_mm(a, b) if out is None else torch._int_mm(a, b, out=out)
    return float_products(a, b, out)


def float_products(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """`byte_products` by way of float32, which holds every sum of so many products of bytes exactly."""
    total = torch.empty(len(a), b.shape[1], dtype=torch.int32, device=a.device) if out is None else out
    for start in range(0, max(a.shape[1], 1), EXACT_IN_FLOAT):
        part = slice(start, start + EXACT_IN_FLOAT)
        products = a[:, part].to(torch.float32) @ b[part].to(torch.float32)
        if start:
            total += products.to(torch.int32)
        else:
            total.copy_(products)
    return total


CPU = torch.device("cpu")


@lru_cache(maxsize=8)
def multiplies_bytes(device: torch.device = CPU) -> bool:
    """Whether a device multiplies bytes faster than float32: a CPU by its instructions, a card if products come out right."""
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return any(able.get(name, False) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))
    sample = (
        torch.arange(32 * 32, device=device, dtype=torch.int32).remainder_(255).sub_(127).to(torch.int8).view(32, 32)
    )
    try:
        found = torch._int_mm(sample, sample.t())
    except RuntimeError:  # a card, or a build, without such products
        return False
    return torch.equal(found, (sample.to(torch.float64) @ sample.t().to(torch.float64)).to(torch.int32))
