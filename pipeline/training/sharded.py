"""Parameters that FSDP spreads over processes (DTensors), and tensors that are whole: from one to the other.

Checkpoints and students hold whole tensors, so they don't depend on how many processes there were, nor on whether their
parameters were spread. Where nothing is spread, whole is what a tensor is already.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.tensor import DTensor, distribute_tensor


def whole_copies(state: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """Whole copies of tensors on the CPU, one after the other through the device's memory.

    All processes must call it with the same names: a spread tensor is put together from everybody's part. A process that
    doesn't ``keep`` them only gives its parts, and has an empty result.
    """
    copies = {}
    for name, value in state.items():
        whole = value.full_tensor() if isinstance(value, DTensor) else value
        if keep:
            copies[name] = whole.detach().cpu().contiguous().clone()
    return copies


def spread_like(value: Tensor, target: Tensor) -> Tensor:
    """A whole tensor [..], spread as another of its shape is; all processes must call it."""
    if not isinstance(target, DTensor):
        return value
    return distribute_tensor(value.to(target.device), target.device_mesh, target.placements)


def local_part(value: Tensor) -> Tensor:
    """What this process holds of a tensor."""
    return value.to_local() if isinstance(value, DTensor) else value


def true_everywhere(flags: Tensor) -> Tensor:
    """Where a flag [n] is set on all processes; all must call it."""
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return flags
    common = flags.to(torch.int32)
    dist.all_reduce(common, op=dist.ReduceOp.MIN)
    return common.bool()
