"""The training loop, on Accelerate: one or many processes, any precision, the same batches.

Every step is a function of (seed, step): the batch, the learning rate. A stop at any moment costs the steps since the last
checkpoint, and the resumed training gives the same bytes as one that was never stopped. The parameters of the best dev
accuracy are the result. A student that breaks (values that are no numbers, all vectors alike) stops the training with one
line, and is never saved.

With several processes, each takes its part of every batch, the first one writes, and all decide alike: what they decide by
is the first one's.
"""

from __future__ import annotations

import copy
import logging
import math
import signal
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, broadcast_object_list
from torch import Tensor

from pipeline.config.train import Train
from pipeline.console.errors import UserError
from pipeline.console.interrupts import Interrupted, StopRequest, noted_interrupts
from pipeline.console.progress import progress as show_progress
from pipeline.encoders.model import SentenceModel
from pipeline.losses.objective import Loss
from pipeline.training.anchors import AnchorPlan
from pipeline.training.batches import BatchPlan
from pipeline.training.chance import find_at_chance, refuse_chance
from pipeline.training.checkpoint import (
    TrainingProgress,
    load_checkpoint,
    load_trained_state,
    save_checkpoint,
    save_ended,
    trained_state,
)
from pipeline.training.collapse import looks_collapsed, mean_spread, refuse_collapse
from pipeline.training.data import TrainingPairs
from pipeline.training.dev import DevSet, dev_scores
from pipeline.training.optimizer import adamw, add_parameters, learning_rate
from pipeline.training.sharded import whole_copies
from pipeline.training.step import Steps
from pipeline.training.stopping import out_of_patience, refuse_bad_loss, refuse_bad_parameters

log = logging.getLogger(__name__)

AGREE_STEPS = 10
"""Several processes agree so often whether one of them was asked to stop: each time costs them a wait for each other."""


@dataclass(frozen=True)
class Trained:
    """The result of a training."""

    # the student with the parameters of the best dev accuracy (the last ones where there is no dev set); of several
    # processes, only the first one's
    model: SentenceModel
    progress: TrainingProgress  # where training ended, with its history
    notes: Sequence[str] = ()  # what is to be said of dev sets on which the student is no better than chance

    @property
    def coverage(self) -> float:
        """The share of the teacher's soft-label weight on neighbours that batches covered."""
        inside, total = self.progress.covered
        return inside / total if total else 0.0


@dataclass
class Trainer:
    """One training of one student.

    Raises:
        UserError: if there is no training pair, it shall stop early by a dev set that is empty, there are more processes than
            pairs in a batch, or the teacher's vectors shall stand for the student's and have other dimensions.
    """

    accelerator: Accelerator  # devices, precision, processes
    model: SentenceModel  # the student to start from
    loss: Loss  # a batch's loss
    pairs: Sequence[TrainingPairs]  # the language pairs
    dev: Sequence[DevSet]  # the dev set; may be empty
    config: Train  # the parameters; epochs are turned into steps
    seed: int  # the seed of the batches
    identity: str  # the hash of all that this training depends on; checkpoints of another are ignored
    checkpoints: Path  # the folder of this training's checkpoint
    record: Callable[[dict[str, float]], None]  # called with every evaluation's record, those before a resume first
    name: str = "train"  # what messages and progress call this training

    def __post_init__(self) -> None:
        if not any(len(part.rows_a) for part in self.pairs):
            raise UserError(
                "train: there is no training pair; all are held out or were left out (metrics/prepare.json)"
            )
        if self.config.patience is not None and not self.dev:
            raise UserError(
                f"train.patience: found {self.config.patience}, but there is no dev set to stop by; expected null, or a "
                "prepare.heldout.share above 0"
            )
        if self.config.teacher_first:
            teacher, student = self.pairs[0].points.teacher_a.dimension, self.model.dimension
            if teacher != student:
                raise UserError(
                    f"train.teacher_first: found {self.config.teacher_first} with a teacher of {teacher} dimensions and a "
                    f"student of {student}; expected the same, or 0"
                )
        processes = self.accelerator.num_processes
        smallest = min(min(size, self.plan.batch_size) for size in self.plan.drawn if size)
        if smallest < processes:
            problem = f"found a batch of {smallest} pairs for {processes} processes, expected one pair for each"
            raise UserError(f"train: {problem}")
        if self.config.epochs is not None:
            batches = self.config.epochs * self.plan.batches_per_epoch
            steps = max(1, math.ceil(batches / self.config.gradient_accumulation))
            self.config = self.config.model_copy(update={"steps": steps, "epochs": None})

    def run(self) -> Trained:
        """Train to the last step, or to the end of patience, and return the best student.

        Raises:
            UserError: if loss or parameters are no longer numbers, or all vectors are alike (the last checkpoint stays); or
                if the student finds its training pairs and no others.
            Interrupted: if a signal asked for a stop, after the step and with a checkpoint of it.
        """
        # FSDP spreads the student's parameters for good: what is saved in the end is another of the same shape.
        spread = self.accelerator.distributed_type == DistributedType.FSDP
        result = copy.deepcopy(self.model) if spread and self._is_first else self.model
        # On the device before the optimiser is made for it; the loss' parameters join once both are prepared.
        self._trained.to(self.accelerator.device).train()
        model, optimizer = self.accelerator.prepare(self.model, adamw(self.model, self.config))
        add_parameters(optimizer, self.loss)
        progress, best = self._resume(optimizer)
        if not progress.ended:
            steps = Steps(self.accelerator, model, self.model, self.loss, self.pairs, self.plan, optimizer, self.config)
            best = self._take_steps(steps, progress, best, optimizer)
        # The first process has the best parameters, whole, and judges the student that they make.
        if self._is_first:
            load_trained_state(result, best)
        self.accelerator.wait_for_everyone()
        notes = self._check_chance(result, progress) if self._is_first else []
        return Trained(result.cpu() if self._is_first else result, progress, notes)

    def _take_steps(
        self, steps: Steps, progress: TrainingProgress, best: dict[str, Tensor], optimizer: torch.optim.Optimizer
    ) -> dict[str, Tensor]:
        """All steps that are left; returns the best parameters, which are saved as well."""
        losses = [torch.tensor(value, device=self.accelerator.device) for value in progress.pending]
        unseen = nullcontext(lambda *_, **__: None)
        shown = show_progress(self.name, self.config.steps, "steps") if self._is_first else unseen
        with shown as advance, noted_interrupts() as request:
            advance(progress.step)
            while progress.step < self.config.steps and not progress.stopped_early:
                losses.append(steps.take(progress))
                progress.step += 1
                # First the evaluation, whose result a checkpoint of the same step holds; then the checkpoint; then the stop.
                note = ""
                if progress.step % self.config.eval_every == 0 or progress.step == self.config.steps:
                    best = self._evaluate(progress, steps, losses, best)
                    losses.clear()
                    note = f"dev accuracy {progress.history[-1].get('dev_accuracy', math.nan):.4f}"
                stop = self._shall_stop(request, progress.step)
                if (progress.step % self.config.checkpoint_every == 0 or stop) and progress.step < self.config.steps:
                    losses = self._save(progress, optimizer, losses, best)
                advance(1, note=note)
                if stop and progress.step < self.config.steps:
                    done = f" after step {progress.step} of {self.config.steps}"
                    raise Interrupted(request.number or signal.SIGTERM, done)
            if self._is_first:
                save_ended(self.checkpoints, progress, best)
            if request.number is not None:
                raise Interrupted(request.number, " after the last step of training")
        return best

    def _check_chance(self, student: SentenceModel, progress: TrainingProgress) -> list[str]:
        """Stop, or say so, where the best student doesn't find translations; see `pipeline.training.chance`."""
        if not self.dev:
            return []
        record = next(record for record in progress.history if record["step"] == progress.best_step)
        accuracies = {part.name: record[f"dev/{part.name}"] for part in self.dev}
        looks = len(progress.history)
        found = find_at_chance(self.dev, accuracies, looks, self.pairs, partial(dev_scores, student))
        notes = refuse_chance(found, len(self.dev), progress.step)
        for note in notes:
            log.warning("%s: %s", self.name, note)
        return notes

    def _shall_stop(self, request: StopRequest, step: int) -> bool:
        """Whether a signal asked for a stop; the same on every process."""
        if self.accelerator.num_processes == 1:
            return request.number is not None
        if step % AGREE_STEPS:
            return False
        asked = torch.tensor([float(request.number is not None)], device=self.accelerator.device)
        return bool(self.accelerator.reduce(asked, reduction="sum").item() > 0)

    @cached_property
    def plan(self) -> BatchPlan:
        """The batches by step."""
        wanted = self.config.neighbors_per_pair if self.config.batches == "neighbors" else 0
        return BatchPlan(
            [len(part.rows_a) for part in self.pairs],
            self.config.batch_size,
            self.seed,
            wanted,
            [part.points for part in self.pairs],
            [part.neighbors for part in self.pairs],
            [part.weights for part in self.pairs],
            AnchorPlan.of(self.config, self.seed),
        )

    @property
    def _is_first(self) -> bool:
        return bool(self.accelerator.is_main_process)

    @property
    def _trained(self) -> torch.nn.ModuleDict:
        """All that has parameters: the student, and the loss where it learns a projection."""
        return torch.nn.ModuleDict({"student": self.model, "loss": self.loss})

    def _resume(self, optimizer: torch.optim.Optimizer) -> tuple[TrainingProgress, dict[str, Tensor]]:
        found = load_checkpoint(self.checkpoints, self.identity, self._trained, optimizer)
        self._check_start(-1 if found is None else found[0].step)
        if found is None:
            return TrainingProgress(self.identity), self._whole_student()
        progress, best = found
        if self._is_first:
            log.info("%s: resuming after step %d of %d", self.name, progress.step, self.config.steps)
        if progress.scaler and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(progress.scaler)
        for record in progress.history:
            self.record(record)
        return progress, best

    def _check_start(self, step: int) -> None:
        """Raise if processes would start at different steps (-1: from nothing)."""
        own = torch.tensor([step], device=self.accelerator.device)
        steps = sorted(set(self.accelerator.gather(own).tolist()))
        if len(steps) > 1:
            raise UserError(
                f"train: found checkpoints of steps {', '.join(map(str, steps))} on different nodes (-1: none), expected "
                "the same; the project's folder has to be one that all nodes share"
            )

    def _save(
        self,
        progress: TrainingProgress,
        optimizer: torch.optim.Optimizer,
        losses: list[Tensor],
        best: dict[str, Tensor],
    ) -> list[Tensor]:
        """Save a checkpoint, unless the student is broken; returns the losses as a resumed training would have them."""
        mean_losses = self._sound_losses(progress, losses)
        progress.pending = mean_losses.tolist()
        if self.accelerator.scaler is not None:
            progress.scaler = self.accelerator.scaler.state_dict()
        suspicious = bool(progress.history) and looks_collapsed(progress.history[-1], self.config)
        if not suspicious:
            save_checkpoint(self.checkpoints, progress, self._trained, optimizer, best, self._is_first)
        self.accelerator.wait_for_everyone()
        return list(mean_losses)

    def _evaluate(
        self, progress: TrainingProgress, steps: Steps, losses: list[Tensor], best: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Score the student, note and judge it; returns the best parameters so far."""
        mean_losses = self._sound_losses(progress, losses)
        record: dict[str, float] = {
            "step": float(progress.step),
            "loss": float(mean_losses.mean()),
            "learning_rate": learning_rate(progress.step - 1, self.config),
        }
        scores = dev_scores(self.model, self.dev)
        if scores:
            mean = float(np.mean([score.accuracy for score in scores.values()]))
            record |= {"dev_accuracy": mean} | {f"dev/{name}": score.accuracy for name, score in scores.items()}
        found = mean_spread([score.spread for score in scores.values() if score.spread is not None])
        if (found := found or steps.batch_spread()) is not None:
            record |= found.record()
        if self.accelerator.num_processes > 1:  # devices of different kinds may differ in the last digit
            record = broadcast_object_list([record])[0]
        accuracy = record.get("dev_accuracy", record["step"])
        progress.history.append(record)
        self.record(record)
        refuse_collapse(progress.history, self.config, self.checkpoints.name)
        if accuracy > progress.best_accuracy:
            progress.best_accuracy, progress.best_step = accuracy, progress.step
            best = self._whole_student()
        if progress.step < self.config.steps:
            progress.stopped_early = out_of_patience(progress.history, progress.best_step, self.config.patience)
        return best

    def _sound_losses(self, progress: TrainingProgress, losses: list[Tensor]) -> Tensor:
        """The steps' losses [n], each the mean over processes: all see, save and judge the same.

        Raises:
            UserError: if one of them, or a parameter, is no number.
        """
        found = torch.zeros(0, device=self.accelerator.device)
        if losses:
            found = self.accelerator.reduce(torch.stack(losses), reduction="mean")
        refuse_bad_loss(found, progress.step, self.checkpoints.name)
        refuse_bad_parameters(self._trained, progress.step, self.checkpoints.name)
        return found

    def _whole_student(self) -> dict[str, Tensor]:
        """A copy of the student's trained parameters, whole, on the first process; of the others, an empty one."""
        return whole_copies(trained_state(self.model), self._is_first)
