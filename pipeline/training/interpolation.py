"""The trained student, moved some way back to where it started: the mean of both's parameters.

    θ = (1 - w) θ_trained + w θ_start

A pretrained student forgets by training on little text; much of what it forgot comes back by the mean, and little of what it
learned goes (WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903; measured in docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pipeline.training.checkpoint import load_trained_state, trained_state


def parameters_now(model: nn.Module) -> dict[str, Tensor]:
    """A copy of what is trained of a model, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in trained_state(model).items()}


def move_to_start(model: nn.Module, start: Mapping[str, Tensor], weight: float) -> None:
    """Replace a trained, whole model's parameters by their mean with its start's (`parameters_now` before), of weight w."""
    mean = {
        name: torch.lerp(value, start[name].to(value.device), weight) if value.is_floating_point() else value
        for name, value in trained_state(model).items()
    }
    load_trained_state(model, mean)
