"""One optimiser step: its batches, their loss and gradient, on one or many processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.config.train import Train
from pipeline.encoders.model import SentenceModel
from pipeline.ground.transfer import on_device
from pipeline.labels.points import LabelPoints
from pipeline.losses.batch import Anchors, Batch
from pipeline.losses.gather import gather, gather_columns
from pipeline.losses.objective import Loss
from pipeline.training.batches import BatchPlan, PairBatch
from pipeline.training.checkpoint import TrainingProgress
from pipeline.training.collapse import CosineSpread, spread
from pipeline.training.data import TrainingPairs
from pipeline.training.devices import parts_of
from pipeline.training.gradients import backward, piece_count, seed_batch
from pipeline.training.optimizer import average_gradients, learning_rate

COVERAGE_EVERY = 10
"""Batches between looks at how much label weight a batch covers."""


@dataclass
class Steps:
    """Optimiser steps."""

    accelerator: Accelerator  # devices, precision, processes
    model: nn.Module  # the student as `Accelerator.prepare` gave it
    student: SentenceModel  # the student without its wrapping
    loss: Loss  # a batch's loss, whose own parameters are trained too
    pairs: Sequence[TrainingPairs]  # the language pairs
    plan: BatchPlan  # the batches
    optimizer: torch.optim.Optimizer  # the optimiser of student and loss, as `Accelerator.prepare` gave it
    config: Train  # the parameters, with ``steps``
    _vectors: Tensor | None = field(default=None, init=False, repr=False)

    def take(self, progress: TrainingProgress) -> Tensor:
        """Take the step that follows ``progress.step``; returns this process' loss."""
        # 1: everything of the step depends on its number alone.
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(progress.step, self.config)
        self.optimizer.zero_grad(set_to_none=True)
        # 2: the gradients of its batches add up; processes exchange them with the last one's.
        accumulation = self.config.gradient_accumulation
        total = torch.zeros((), device=self.accelerator.device)
        for part in range(accumulation):
            number = progress.step * accumulation + part
            batch = self.plan.batch(number)
            if number % COVERAGE_EVERY == 0:
                self._cover(batch, progress)
            total += self._backward(number, batch, last=part == accumulation - 1)
        # 3: those of the loss' own parameters, which the student's wrapping doesn't exchange; then one step by all.
        average_gradients(self.loss, self.accelerator)
        if self.config.max_grad_norm > 0:
            self.accelerator.clip_grad_norm_(self.student.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        return total

    def _backward(self, number: int, batch: PairBatch, last: bool) -> Tensor:
        """Add a batch's gradient; returns its share of the step's loss, of which the mean over processes is to be taken."""
        # This process' part of the batch, and its tokens; dropout draws the same whichever batches came before.
        pairs = self.pairs[batch.language_pair]
        parts = parts_of(batch.rows, self.accelerator.num_processes)
        rows, sizes = parts[self.accelerator.process_index], [len(part) for part in parts]
        seed_batch(self.plan.seed, number, self.accelerator.process_index)
        sides = [pairs.tokens_b.select(pairs.rows_b[rows])]
        if not self._teacher_first(number):
            sides.insert(0, pairs.tokens_a.select(pairs.rows_a[rows]))

        # The joined batch's loss is the mean over pairs, not over processes, whose parts may differ by a pair.
        share = len(rows) * len(sizes) / len(batch.rows)

        def objective(vectors: Tensor) -> Tensor:
            return self._loss_of(vectors, batch, rows, sizes) * share / self.config.gradient_accumulation

        pieces = piece_count(len(batch.rows), len(sizes), self.config.chunk)
        loss, vectors = backward(self.accelerator, self.model, sides, objective, pieces, last)
        if len(sides) == 2:
            self._vectors = vectors
        return loss

    def _teacher_first(self, number: int) -> bool:
        """Whether the teacher's vectors stand for the first sides of a batch; the same on every process."""
        share = self.config.teacher_first
        return share > 0 and np.random.default_rng([self.plan.seed, 4, number]).random() < share

    def _loss_of(self, vectors: Tensor, batch: PairBatch, rows: NDArray[np.int64], sizes: list[int]) -> Tensor:
        """The loss of the student's vectors [2n, d] of this process' pairs [n]: first sides, then second sides.

        Without those of the first sides, [n, d], the teacher's stand for them.
        """
        labels = self.pairs[batch.language_pair].points
        points = labels.of_pair[rows]
        teacher, label_vectors = self._targets(labels, points)
        own = Batch(
            x=vectors[: len(rows)] if len(vectors) > len(rows) else teacher.to(vectors.dtype),
            y=vectors[-len(rows) :],
            labels=label_vectors,
            teacher=teacher,
            points=on_device(points, self.accelerator.device),
            anchors=self._anchors(labels, batch.anchors) if len(batch.anchors) else None,
        )
        loss: Tensor = self.loss(gather_columns(own, sizes=sizes))
        return loss

    def _targets(self, labels: LabelPoints, points: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """The teacher's vectors and the label vectors of points, read from the teacher's shards: one tensor where equal."""
        teacher, label_vectors = labels.teacher_and_labels(points)
        found = on_device(teacher, self.accelerator.device)
        return found, found if label_vectors is teacher else on_device(label_vectors, self.accelerator.device)

    def _anchors(self, labels: LabelPoints, points: NDArray[np.int64]) -> Anchors:
        """All anchors [c]: every process reads its part of them, and gets the others' from those who have read them."""
        if self.accelerator.num_processes == 1:
            return Anchors(*self._targets(labels, points))
        parts = parts_of(points, self.accelerator.num_processes)
        teacher, own_labels = self._targets(labels, parts[self.accelerator.process_index])
        sizes = [len(part) for part in parts]
        found = gather(teacher, sizes=sizes)
        return Anchors(found, found if own_labels is teacher else gather(own_labels, sizes=sizes))

    def _cover(self, batch: PairBatch, progress: TrainingProgress) -> None:
        pairs = self.pairs[batch.language_pair]
        among = batch.anchors if len(batch.anchors) else None
        inside, total = pairs.neighbors.coverage(pairs.points.of_pair[batch.rows], among)
        progress.covered = [progress.covered[0] + inside, progress.covered[1] + total]

    def batch_spread(self) -> CosineSpread | None:
        """How cosines spread in the last batch, for want of a dev set: the mean over processes, so that all see the same."""
        if self._vectors is None:
            return None
        x, y = self._vectors.float().cpu().numpy().reshape(2, -1, self._vectors.shape[1])
        own = spread(x, y)
        # A process whose part is one pair has none, and must still take part; then all go without.
        values = [float("nan")] * 3 if own is None else [own.translations, own.others, own.deviation]
        mean = self.accelerator.reduce(torch.tensor(values, device=self.accelerator.device), reduction="mean")
        return CosineSpread(*mean.tolist()) if bool(mean.isfinite().all()) else None
