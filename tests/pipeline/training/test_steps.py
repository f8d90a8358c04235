"""One optimiser step by hand: accumulated batches are averaged, and unequal parts weigh as much as they have pairs."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from gradient_worker import tokens
from loss_batches import unit
from torch import nn

from pipeline.config.train import Train
from pipeline.encoders.model import StaticModel
from pipeline.losses.batch import Batch
from pipeline.training.batches import BatchPlan
from pipeline.training.checkpoint import TrainingProgress
from pipeline.training.data import TrainingPairs
from pipeline.training.step import Steps

PAIRS = 10


class Pull(nn.Module):
    """How far both sides are from the teacher's vectors: a mean over pairs, each of which is as far as it is alone."""

    def forward(self, batch: Batch) -> torch.Tensor:
        apart = (batch.x - batch.teacher).square() + (batch.y - batch.teacher).square()
        return apart.sum(dim=1).mean()


def pairs() -> TrainingPairs:
    teacher = unit(PAIRS, 16, 9, torch.float32).numpy()
    points = SimpleNamespace(of_pair=np.arange(PAIRS), teacher_and_labels=lambda rows: (teacher[rows], teacher[rows]))
    neighbors = SimpleNamespace(coverage=lambda *_: (0.0, 1.0))
    rows = np.arange(PAIRS)
    return TrainingPairs("en-fr", tokens(PAIRS, 1), tokens(PAIRS, 2), rows, rows, points, neighbors)


def take(number: int, train: Train, rank: int = 0, processes: int = 1) -> tuple[float, torch.Tensor]:
    """The loss and the gradient of a step of a fresh student, as one of so many processes has them."""
    accelerator = SimpleNamespace(
        num_processes=processes,
        process_index=rank,
        device=torch.device("cpu"),
        backward=lambda loss: loss.backward(),
        no_sync=lambda _: nullcontext(),
    )
    model, part = StaticModel(unit(50, 16, 3, torch.float32)), pairs()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    plan = BatchPlan([PAIRS], train.batch_size, seed=1)
    steps = Steps(accelerator, model, model, Pull(), [part], plan, optimizer, train)
    loss = float(steps.take(TrainingProgress("me", step=number)))
    return loss, model.weight.grad


def config(batch_size: int, **other: int) -> Train:
    return Train(steps=9, batch_size=batch_size, learning_rate=0.1, max_grad_norm=0.0, **other)


def test_accumulated_batches_are_averaged_not_added():
    losses, gradients = zip(*(take(number, config(5)) for number in (2, 3)), strict=True)
    loss, gradient = take(1, config(5, gradient_accumulation=2))  # its batches are those of steps 2 and 3
    assert losses[0] != pytest.approx(losses[1])
    assert loss == pytest.approx(sum(losses) / 2, rel=1e-5)
    torch.testing.assert_close(gradient, sum(gradients) / 2)


@pytest.mark.parametrize("chunk", [None, 2])
@pytest.mark.parametrize("processes", [2, 3])
def test_processes_with_unequal_parts_have_the_gradient_of_the_joined_batch(chunk: int | None, processes: int):
    """Of five pairs one process has three and the other two: the plain mean of their means is not the mean of the five."""
    train = config(5, gradient_accumulation=2, chunk=chunk)
    loss, gradient = take(0, train)
    losses, gradients = zip(*(take(0, train, rank, processes) for rank in range(processes)), strict=True)
    assert sum(losses) / processes == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(sum(gradients) / processes, gradient)
