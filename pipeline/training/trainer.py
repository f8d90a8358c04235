"""The training loop, on Accelerate: one or many processes, any precision, the same batches.

Every step is a function of (seed, step): the batch, the learning rate. A stop at any moment costs the steps since the last
checkpoint, and the resumed training gives the same bytes as one that was never stopped. The parameters of the best dev
accuracy are the result.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from pipeline.config import Train
from pipeline.encoders.model import SentenceModel
from pipeline.errors import UserError
from pipeline.folders import TokenFolder
from pipeline.losses.batch import Batch
from pipeline.losses.gather import gather_columns
from pipeline.losses.objective import Loss
from pipeline.neighborhoods import LabelPoints
from pipeline.progress import progress as show_progress
from pipeline.tokenize import join
from pipeline.training.batches import BatchPlan, Neighbors, PairBatch
from pipeline.training.checkpoint import Progress, clear_checkpoint, load_checkpoint, save_checkpoint
from pipeline.training.dev import DevSet, dev_accuracy
from pipeline.training.schedule import learning_rate

log = logging.getLogger(__name__)

COVERAGE_EVERY = 10
"""Steps between looks at how much label weight a batch covers."""
EVAL_TOKENS = 65_536


@dataclass(frozen=True)
class TrainingPairs:
    """What training needs of one language pair; tokens and label vectors stay memory-mapped.

    Attributes:
        name: of the language pair.
        tokens_a: student's tokens of the first language.
        tokens_b: of the second.
        rows_a: each pair's row in ``tokens_a`` [n].
        rows_b: each pair's row in ``tokens_b`` [n].
        points: the label points.
        neighbors: their neighbourhoods.
        weights: how often an epoch draws each pair [n]; None for once each.
    """

    name: str
    tokens_a: TokenFolder
    tokens_b: TokenFolder
    rows_a: NDArray[np.int64]
    rows_b: NDArray[np.int64]
    points: LabelPoints
    neighbors: Neighbors
    weights: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
        model: with the parameters of the best dev accuracy (the last ones where there is no dev set).
        progress: where it ended, with its history.
    """

    model: SentenceModel
    progress: Progress

    @property
    def coverage(self) -> float:
        """The share of the teacher's soft-label weight on neighbours that batches covered."""
        inside, total = self.progress.covered
        return inside / total if total else 0.0


@dataclass(frozen=True)
class Trainer:
    """One training of one student.

    Attributes:
        accelerator: devices, precision, processes.
        model: the student to start from.
        loss: of a batch.
        pairs: the language pairs.
        dev: the dev set; may be empty.
        config: the parameters; epochs are turned into steps.
        seed: of the batches.
        identity: of this training; checkpoints of another are ignored.
        checkpoints: the folder of its checkpoint.
        record: called with every evaluation's record, those before a resume first.
    """

    accelerator: Accelerator
    model: SentenceModel
    loss: Loss
    pairs: Sequence[TrainingPairs]
    dev: Sequence[DevSet]
    config: Train
    seed: int
    identity: str
    checkpoints: Path
    record: Callable[[dict[str, float]], None]

    def __post_init__(self) -> None:
        if self.config.epochs is not None:
            batches = self.config.epochs * self._plan().batches_per_epoch
            steps = max(1, math.ceil(batches / self.config.gradient_accumulation))
            object.__setattr__(self, "config", self.config.model_copy(update={"steps": steps, "epochs": None}))

    def run(self) -> Trained:
        """Train to the last step and return the best student.

        Raises:
            UserError: if the loss is no longer a number; the last checkpoint stays.
        """
        optimizer = torch.optim.AdamW(
            self._trained.parameters(), lr=self.config.learning_rate, weight_decay=self.config.weight_decay, fused=True
        )
        self._trained.to(self.accelerator.device).train()
        prepared, optimizer = self.accelerator.prepare(self.model, optimizer)
        progress, best = self._resume(optimizer)
        plan = self._plan()
        losses = [torch.tensor(value, device=self.accelerator.device) for value in progress.pending]
        with show_progress("train", self.config.steps, "steps") as advance:
            advance(progress.step)
            while progress.step < self.config.steps:
                losses.append(self._step(prepared, optimizer, plan, progress))
                progress.step += 1
                note = ""
                if progress.step % self.config.eval_every == 0 or progress.step == self.config.steps:
                    best = self._evaluate(progress, losses, best)
                    losses.clear()
                    note = f"dev accuracy {progress.history[-1].get('dev_accuracy', math.nan):.4f}"
                if progress.step % self.config.checkpoint_every == 0 and progress.step < self.config.steps:
                    self._check(losses, progress.step)
                    progress.pending = [float(loss) for loss in losses]
                    self._save(progress, optimizer, best)
                advance(1, note=note)
        self.model.load_state_dict(best)
        self.accelerator.wait_for_everyone()
        return Trained(self.model.cpu(), progress)

    def clear(self) -> None:
        """Forget the checkpoint, once the result is safely written."""
        if self.accelerator.is_main_process:
            clear_checkpoint(self.checkpoints)

    @property
    def _trained(self) -> torch.nn.ModuleDict:
        """All that has parameters: the student, and the loss where it learns a projection."""
        return torch.nn.ModuleDict({"student": self.model, "loss": self.loss})

    def _plan(self) -> BatchPlan:
        wanted = self.config.neighbors_per_pair if self.config.batches == "neighbors" else 0
        return BatchPlan(
            [len(part.rows_a) for part in self.pairs],
            self.config.batch_size,
            self.seed,
            wanted,
            [part.points for part in self.pairs],
            [part.neighbors for part in self.pairs],
            [part.weights for part in self.pairs],
        )

    def _resume(self, optimizer: torch.optim.Optimizer) -> tuple[Progress, dict[str, Tensor]]:
        found = load_checkpoint(self.checkpoints, self.identity, self._trained, optimizer)
        if found is None:
            return Progress(self.identity), _copy(self.model)
        progress, best = found
        log.info("train: resuming after step %d", progress.step)
        for record in progress.history:
            self.record(record)
        return progress, best

    def _save(self, progress: Progress, optimizer: torch.optim.Optimizer, best: dict[str, Tensor]) -> None:
        if self.accelerator.is_main_process:
            save_checkpoint(self.checkpoints, progress, self._trained, optimizer, best)
        self.accelerator.wait_for_everyone()

    def _step(
        self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, plan: BatchPlan, progress: Progress
    ) -> Tensor:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(progress.step, self.config)
        optimizer.zero_grad(set_to_none=True)
        accumulation = self.config.gradient_accumulation
        total = torch.zeros((), device=self.accelerator.device)
        for part in range(accumulation):
            batch = plan.batch(progress.step * accumulation + part)
            if (progress.step * accumulation + part) % COVERAGE_EVERY == 0:
                self._cover(batch, progress)
            loss = self._forward(model, batch) / accumulation
            self.accelerator.backward(loss)
            total += loss.detach()
        if self.config.max_grad_norm > 0:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm)
        optimizer.step()
        return total

    def _forward(self, model: torch.nn.Module, batch: PairBatch) -> Tensor:
        pairs = self.pairs[batch.language_pair]
        rows = self._own_part(batch.rows)
        a, b = pairs.tokens_a.select(pairs.rows_a[rows]), pairs.tokens_b.select(pairs.rows_b[rows])
        vectors = model(join([a, b]))
        points = pairs.points.of_pair[rows]
        device = self.accelerator.device
        own = Batch(
            x=vectors[: len(rows)],
            y=vectors[len(rows) :],
            labels=torch.from_numpy(pairs.points.vectors(points)).to(device),
            teacher=torch.from_numpy(pairs.points.teacher_vectors(points)).to(device),
            points=torch.from_numpy(points).to(device),
        )
        loss: Tensor = self.loss(gather_columns(own))
        return loss

    def _own_part(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of this process: equal, contiguous parts of the batch."""
        each = len(rows) // self.accelerator.num_processes
        first = each * self.accelerator.process_index
        return rows[first : first + each]

    def _cover(self, batch: PairBatch, progress: Progress) -> None:
        pairs = self.pairs[batch.language_pair]
        inside, total = pairs.neighbors.coverage(pairs.points.of_pair[batch.rows])
        progress.covered = [progress.covered[0] + inside, progress.covered[1] + total]

    def _evaluate(self, progress: Progress, losses: list[Tensor], best: dict[str, Tensor]) -> dict[str, Tensor]:
        mean_loss = self._check(losses, progress.step)
        record: dict[str, float] = {
            "step": float(progress.step),
            "loss": mean_loss,
            "learning_rate": learning_rate(progress.step - 1, self.config),
        }
        by_pair = dev_accuracy(self.model, self.dev, EVAL_TOKENS)
        accuracy = float(np.mean(list(by_pair.values()))) if by_pair else float(progress.step)
        if by_pair:
            record |= {"dev_accuracy": accuracy} | {f"dev/{name}": value for name, value in by_pair.items()}
        progress.history.append(record)
        self.record(record)
        if accuracy > progress.best_accuracy:
            progress.best_accuracy, progress.best_step = accuracy, progress.step
            return _copy(self.model)
        return best

    def _check(self, losses: list[Tensor], step: int) -> float:
        """The mean loss since the last evaluation; stops if it is no number."""
        mean_loss = float(torch.stack(losses).mean()) if losses else 0.0
        if not math.isfinite(mean_loss):
            raise UserError(
                f"train: the loss is {mean_loss} before step {step}; the last good checkpoint stays in "
                f"{self.checkpoints.name}/. Try a lower train.learning_rate, a higher temperature or max_grad_norm 1.0"
            )
        return mean_loss


def _copy(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
