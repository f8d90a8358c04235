"""The state of torch's random generators (dropout's), to be put back: for a chunk's second pass and after a stop."""

from __future__ import annotations

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
