"""Torch's random generators (dropout's): started anew for every batch, and put back for a chunk's second pass.

What a batch draws is a function of the seed, the batch and the process, so a checkpoint needs no generator's state, and a
training goes on with another number of processes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def random_state(device: torch.device) -> Tensor:
    """The state of the CPU's generator, and behind it that of the device if it has its own, uint8 [s] on the CPU."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return torch.cat(states)


def set_random_state(state: Tensor, device: torch.device) -> None:
    """Put back what `random_state` gave on this kind of device; of a state from another kind, the CPU's part."""
    size = len(torch.get_rng_state())
    torch.set_rng_state(state[:size].contiguous())
    if device.type == "cuda" and len(state) > size:
        torch.cuda.set_rng_state(state[size:].contiguous(), device)


def seed_batch(seed: int, batch: int, process: int) -> None:
    """Start all generators for one batch on one process."""
    state = np.random.SeedSequence([seed, 4, batch, process]).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0]))
