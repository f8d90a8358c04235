"""Arrays to the device that computes with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def on_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """An array as a tensor on a device; on a CPU the same memory, without a copy.

    To a GPU it goes through pinned memory, so that this process doesn't wait for the copy, nor for what the GPU has still to
    compute before it: while the GPU is busy with one batch, the next one is made ready.

    >>> on_device(np.array([1, 2]), torch.device("cpu")).tolist()
    [1, 2]
    """
    made = torch.from_numpy(np.ascontiguousarray(array))
    return made.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else made.to(device)
