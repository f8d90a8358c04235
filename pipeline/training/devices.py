"""The devices that training runs on, as the user's own Accelerate configuration gives them.

`accelerate launch` hands its configuration to every process in the environment; `Accelerator` reads it there. What this
training can't do, or does by its own parameters, is refused in one line instead of being done differently.
"""

from __future__ import annotations

import os
from datetime import timedelta

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, InitProcessGroupKwargs
from numpy.typing import NDArray

from pipeline.console.errors import UserError

PATIENCE = timedelta(hours=2)
"""How long a process waits for another: the first one hashes the inputs and writes checkpoints while the others wait."""

REFUSED = {DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM, DistributedType.XLA}


def make_accelerator(precision: str) -> Accelerator:
    """Devices, precision (``train.mixed_precision``) and processes.

    The precision ``auto`` is what the launcher says, without a launcher what the device does best.

    Raises:
        UserError: if the Accelerate configuration asks for what training can't do.
    """
    accelerator = Accelerator(
        mixed_precision=_precision(precision),
        # Without an accelerator Accelerate runs processes that are told so together, and others each alone.
        cpu=not torch.accelerator.is_available(),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
    )
    refuse_unsupported(accelerator)
    return accelerator


def refuse_unsupported(accelerator: Accelerator) -> None:
    """Refuse what an Accelerate configuration may say and training can't do.

    Raises:
        UserError: that names the key.
    """
    kind = accelerator.distributed_type
    if (started := int(os.environ.get("WORLD_SIZE", "1"))) != accelerator.num_processes:
        raise UserError(
            f"accelerate: {started} processes were started, of which each would train alone; expected a configuration with "
            "as many devices, or with use_cpu: true and ACCELERATE_USE_CPU=true in the environment"
        )
    if kind in REFUSED:
        raise UserError(
            f"accelerate config: distributed_type: found {kind.value}; expected NO, MULTI_CPU, MULTI_GPU or FSDP "
            "(fsdp_version 2)"
        )
    if kind == DistributedType.FSDP and not accelerator.is_fsdp2:
        raise UserError("accelerate config: fsdp_config.fsdp_version: found 1; expected 2")
    if accelerator.gradient_accumulation_steps != 1:
        raise UserError(
            f"accelerate config: gradient_accumulation_steps: found {accelerator.gradient_accumulation_steps}; "
            "expected 1: softalign's own is train.gradient_accumulation in params.yaml"
        )


def parts_of(rows: NDArray[np.int64], processes: int) -> list[NDArray[np.int64]]:
    """The part of some rows [n] that is each process's: contiguous, in order, equal but for one row."""
    return np.array_split(rows, processes)


def _precision(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    if (launched := os.environ.get("ACCELERATE_MIXED_PRECISION")) is not None:
        return launched
    # Older GPUs emulate bf16, slower than float32, and would say yes without the argument.
    has_bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if has_bf16 else "no"
