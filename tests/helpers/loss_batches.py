"""Batches for the tests of losses: seeded, L2-normalised, in float64 unless told otherwise."""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.config.train import LossTerm
from pipeline.losses.batch import Batch


def unit(rows, dimension, seed, dtype=torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(rows, dimension, generator=generator, dtype=torch.float64), dim=1).to(dtype)


def make_batch(rows=6, dimension=5, labels=4, teacher=3, seed=0, dtype=torch.float64, **other) -> Batch:
    return Batch(
        x=unit(rows, dimension, seed, dtype).requires_grad_(),
        y=unit(rows, dimension, seed + 1, dtype).requires_grad_(),
        labels=unit(rows, labels, seed + 2, dtype),
        teacher=unit(rows, teacher, seed + 3, dtype),
        **other,
    )


def gradients(loss, batch) -> tuple[Tensor, Tensor]:
    return torch.autograd.grad(loss, (batch.x, batch.y))


def term(name, weight=1.0, *, teacher=0.1, student=0.1, **options) -> LossTerm:
    """A loss with its temperatures, if it has any."""
    made = LossTerm.model_validate({"name": name, "weight": weight, **options})
    temperature = (
        {"temperature": {"teacher": teacher, "student": student}} if "temperature" in type(made).model_fields else {}
    )
    return LossTerm.model_validate({"name": name, "weight": weight, **options, **temperature})
