"""Devices that are not at hand: what their makers say they can do, and what share of it a plan assumes.

Peaks are of dense matrix products in bf16 (fp16 on the T4), memory bandwidth and size, from the makers' data sheets. No
program reaches a peak: `ENCODE_SHARE` and `TRAIN_SHARE` are assumptions, not measurements.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.console.errors import UserError

ENCODE_SHARE = 0.3
TRAIN_SHARE = 0.3
"""Assumed shares of the peak, in encoding and in training. Published trainings of transformers reach 0.3 to 0.5 of it
(Chowdhery et al. 2022, arXiv 2204.02311, table 3: 0.21 to 0.46); encoders are smaller and their batches shorter."""
SEARCH_SHARE = 0.1
"""Assumed share in exact mining, whose products are narrow (hundreds of dimensions) and followed by a search for the best."""


@dataclass(frozen=True)
class Device:
    """An accelerator."""

    name: str  # what the user writes after ``--device``
    title: str  # its maker's full name for it
    peak: float  # floating-point operations a second, dense bf16 (a multiplication and an addition are two)
    memory: float  # bytes
    source: str  # where the figures are from


DEVICES = {
    device.name: device
    for device in (
        Device("t4", "NVIDIA T4", 65e12, 16e9, "NVIDIA T4 data sheet (fp16)"),
        Device("l4", "NVIDIA L4", 121e12, 24e9, "NVIDIA L4 data sheet (half of the figure with sparsity)"),
        Device("a10g", "NVIDIA A10G", 70e12, 24e9, "Amazon EC2 G5 and NVIDIA A10 data sheets (without sparsity)"),
        Device("a100", "NVIDIA A100 80 GB", 312e12, 80e9, "NVIDIA A100 data sheet"),
        Device("h100", "NVIDIA H100 SXM", 989e12, 80e9, "NVIDIA H100 data sheet (half of the figure with sparsity)"),
        Device("h200", "NVIDIA H200", 989e12, 141e9, "NVIDIA H200 data sheet (half of the figure with sparsity)"),
    )
}


def find_device(name: str) -> Device | None:
    """A device by name; None for ``this``, the machine at hand.

    Raises:
        UserError: if there is none of that name.
    """
    if name.lower() == "this":
        return None
    device = DEVICES.get(name.lower())
    if device is None:
        raise UserError(f"--device: found {name!r}; expected this, {', '.join(DEVICES)}")
    return device
