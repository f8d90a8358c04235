"""The machine itself: what its matrix product reaches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from speed.worker import Clock, Work


def products(a: Any, b: Any) -> dict[str, Callable[[], Any]]:
    """A product of two square matrices by each of torch's libraries."""
    import torch

    return {
        "MKL": lambda: torch.mm(a, b),
        "oneDNN": lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""),
    }


def product(options: dict[str, Any]) -> Work:
    """What the machine's float32 matrix product reaches: a square one by MKL or by oneDNN, whichever is faster."""
    import torch

    side, times = options["side"], options["times"]
    kernels = products(torch.randn(side, side), torch.randn(side, side))
    seconds = {}
    for name, kernel in kernels.items():
        kernel()
        start = time.perf_counter()
        for _ in range(3):
            kernel()
        seconds[name] = time.perf_counter() - start
    best = min(seconds, key=lambda name: seconds[name])

    def work(clock: Clock) -> Any:
        for _ in range(times):
            kernels[best]()
        return {"output": np.asarray(2 * side**3 * times), "kernel": np.asarray(best)}

    return work
