"""One optimiser step: its batches, their loss and gradient, on one or many processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.config import Train
from pipeline.encoders.model import SentenceModel
from pipeline.losses.batch import Anchors, Batch
from pipeline.losses.gather import gather_columns
from pipeline.losses.objective import Loss
from pipeline.neighborhoods import LabelPoints
from pipeline.training.batches import BatchPlan, PairBatch
from pipeline.training.checkpoint import Progress
from pipeline.training.collapse import Spread, spread
from pipeline.training.data import TrainingPairs
from pipeline.training.gradients import backward
from pipeline.training.optimizer import average_gradients
from pipeline.training.schedule import learning_rate

COVERAGE_EVERY = 10
"""Batches between looks at how much label weight a batch covers."""


@dataclass
class Steps:
    """Optimiser steps.

    Attributes:
        accelerator: devices, precision, processes.
        model: the student as `Accelerator.prepare` gave it.
        student: the same without its wrapping.
        loss: of a batch; its own parameters are trained too.
        pairs: the language pairs.
        plan: the batches.
        optimizer: of student and loss, as `Accelerator.prepare` gave it.
        config: the parameters, with ``steps``.
    """

    accelerator: Accelerator
    model: nn.Module
    student: SentenceModel
    loss: Loss
    pairs: Sequence[TrainingPairs]
    plan: BatchPlan
    optimizer: torch.optim.Optimizer
    config: Train
    _vectors: Tensor | None = field(default=None, init=False, repr=False)

    def take(self, progress: Progress) -> Tensor:
        """Take the step that follows ``progress.step``; returns this process' loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(progress.step, self.config)
        self.optimizer.zero_grad(set_to_none=True)
        accumulation = self.config.gradient_accumulation
        total = torch.zeros((), device=self.accelerator.device)
        for part in range(accumulation):
            number = progress.step * accumulation + part
            batch = self.plan.batch(number)
            if number % COVERAGE_EVERY == 0:
                self._cover(batch, progress)
            total += self._backward(batch, last=part == accumulation - 1)
        average_gradients(self.loss, self.accelerator)
        if self.config.max_grad_norm > 0:
            self.accelerator.clip_grad_norm_(self.student.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        return total

    def _backward(self, batch: PairBatch, last: bool) -> Tensor:
        """Add a batch's gradient; returns its share of the step's loss."""
        pairs = self.pairs[batch.language_pair]
        rows = self._own_part(batch.rows)
        sides = pairs.tokens_a.select(pairs.rows_a[rows]), pairs.tokens_b.select(pairs.rows_b[rows])

        def objective(vectors: Tensor) -> Tensor:
            return self._loss_of(vectors, batch, rows) / self.config.gradient_accumulation

        loss, self._vectors = backward(self.accelerator, self.model, sides, objective, self.config.chunk, last)
        return loss

    def _loss_of(self, vectors: Tensor, batch: PairBatch, rows: NDArray[np.int64]) -> Tensor:
        """The loss of the student's vectors [2n, d] of this process' pairs [n]: first sides, then second sides."""
        labels = self.pairs[batch.language_pair].points
        points = labels.of_pair[rows]
        teacher, label_vectors = self._targets(labels, points)
        own = Batch(
            x=vectors[: len(rows)],
            y=vectors[len(rows) :],
            labels=label_vectors,
            teacher=teacher,
            points=torch.from_numpy(points).to(self.accelerator.device),
            anchors=Anchors(*self._targets(labels, batch.anchors)) if len(batch.anchors) else None,
        )
        loss: Tensor = self.loss(gather_columns(own))
        return loss

    def _targets(self, labels: LabelPoints, points: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """The teacher's vectors and the label vectors of points, read from the teacher's shards: one tensor where equal."""
        teacher, label_vectors = labels.teacher_and_labels(points)
        found = torch.from_numpy(teacher).to(self.accelerator.device)
        if label_vectors is teacher:
            return found, found
        return found, torch.from_numpy(label_vectors).to(self.accelerator.device)

    def _own_part(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of this process: equal, contiguous parts of the batch."""
        each = len(rows) // self.accelerator.num_processes
        first = each * self.accelerator.process_index
        return rows[first : first + each]

    def _cover(self, batch: PairBatch, progress: Progress) -> None:
        pairs = self.pairs[batch.language_pair]
        among = batch.anchors if len(batch.anchors) else None
        inside, total = pairs.neighbors.coverage(pairs.points.of_pair[batch.rows], among)
        progress.covered = [progress.covered[0] + inside, progress.covered[1] + total]

    def batch_spread(self) -> Spread | None:
        """How cosines spread in the last batch, for want of a dev set: the mean over processes, so that all see the same."""
        if self._vectors is None or len(self._vectors) < 4:
            return None
        x, y = self._vectors.float().cpu().numpy().reshape(2, -1, self._vectors.shape[1])
        own = spread(x, y)
        if own is None:
            return None
        values = torch.tensor([own.translations, own.others, own.deviation], device=self.accelerator.device)
        return Spread(*self.accelerator.reduce(values, reduction="mean").tolist())
