"""When a training must or may end before its last step: values that are no numbers, and dev accuracy that no longer grows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pipeline.console.errors import UserError
from pipeline.training.sharded import local_part, true_everywhere

ADVICE = "Try a lower train.learning_rate, a higher temperature or max_grad_norm 1.0"


def refuse_bad_loss(losses: Tensor, step: int, checkpoints: str) -> None:
    """Stop at a loss that is no number, of the last steps' losses [n]; the message names the folder of the last checkpoint.

    Raises:
        UserError: if one of them is infinite or not a number.
    """
    mean = float(losses.mean()) if len(losses) else 0.0
    if not math.isfinite(mean):
        raise UserError(
            f"train: the loss is {mean} before step {step}; the last good checkpoint stays in {checkpoints}/. {ADVICE}"
        )


def refuse_bad_parameters(module: nn.Module, step: int, checkpoints: str) -> None:
    """Stop if a parameter is no number: after a finite loss, a gradient can still have overflowed.

    All processes must call it, and all stop if one of them has such a value.

    Raises:
        UserError: that names the parameter.
    """
    trained = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    if not trained:
        return
    finite = torch.stack([torch.isfinite(local_part(parameter.detach())).all() for _, parameter in trained])
    finite = true_everywhere(finite)
    if not bool(finite.all()):  # one look at the device for all of them
        name = trained[int((~finite).nonzero()[0])][0]
        raise UserError(
            f"train: parameter {name} has values that are no numbers after step {step}; "
            f"the last good checkpoint stays in {checkpoints}/. {ADVICE}"
        )


def out_of_patience(history: Sequence[Mapping[str, float]], best_step: int, patience: int | None) -> bool:
    """Whether so many evaluations in a row were not better than the best.

    >>> history = [{"step": 10.0}, {"step": 20.0}, {"step": 30.0}]
    >>> out_of_patience(history, best_step=10, patience=2), out_of_patience(history, best_step=10, patience=3)
    (True, False)
    """
    return patience is not None and sum(record["step"] > best_step for record in history) >= patience
