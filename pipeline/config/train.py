"""The section ``train`` of params.yaml."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, SerializeAsAny, model_validator

from pipeline.config.base import (
    Choice,
    Positive,
    Section,
    Share,
    Temperature,
)
from pipeline.ground.registry import Registry

if TYPE_CHECKING:
    from torch import nn


class Temperatures(Section):
    """τ of the teacher's labels and of the student's similarities."""

    teacher: Temperature = 0.1
    student: Temperature = 0.1


class LossTerm(Choice):
    """One term of the loss: a file of `pipeline.losses.terms`, or a class that a package brings.

    Attributes:
        name: the loss' name; a class says its own as a default.
        weight: its factor in the sum.
    """

    both_sides: ClassVar[bool] = False
    """Whether it asks for the teacher's vectors of both sides: ``labels.strategy: average``."""

    name: str
    weight: Annotated[float, Field(gt=0)] = 1.0

    def build(self, student_dimension: int, teacher_dimension: int, seed: int) -> nn.Module:
        """A `pipeline.losses.objective.Loss`; `pipeline.losses.base` has classes that need no module of their own.

        Args:
            student_dimension: numbers in the student's vectors.
            teacher_dimension: numbers in the teacher's.
            seed: the seed of what it draws at random.
        """
        raise NotImplementedError


LossTerm.things = Registry("loss", "pipeline.losses.terms", LossTerm, "softalign.losses")


class Tempered(LossTerm):
    """A loss with temperatures.

    Attributes:
        temperature: τ of this term, where it differs from ``train.temperature``.
    """

    temperature: Temperatures | None = None

    @property
    def tau(self) -> Temperatures:
        """Both temperatures, once they are known."""
        return self.temperature or Temperatures()


class Anchored(LossTerm):
    """A loss that compares a batch with label points of the whole corpus.

    Attributes:
        anchors: so many, drawn at random, for each batch.
        neighbors: besides, so many stored neighbours of each pair's label point.
    """

    anchors: Annotated[int, Field(ge=0)] = 2048
    neighbors: Annotated[int, Field(ge=0)] = 0


class Lexicon(Section):
    """Where token vectors start that are not the teacher's own (see `pipeline.training.lexicon`).

    Attributes:
        steps: how many steps the static student is trained for it.
        batch_size: pairs in a batch of that training.
        learning_rate: that training's learning rate.
        neighbors: tokens of the teacher's that a token starts from.
        temperature: τ of their weights.
        share: a token is the teacher's own if at least this share of its occurrences is in the teacher's languages.
        frequency: how often one of the teacher's must occur there for others to start from it.
    """

    steps: Positive = 500
    batch_size: Annotated[int, Field(ge=2)] = 1024
    learning_rate: Annotated[float, Field(gt=0)] = 5e-3
    neighbors: Positive = 5
    temperature: Temperature = 0.1
    share: Annotated[float, Field(gt=0, le=1)] = 0.3
    frequency: Positive = 20


class Train(Section):
    """How the student is trained (stage train).

    Attributes:
        loss: the terms of the loss, each name once (docs/choices.md has all); ``soft`` alone if not given.
        temperature: τ of labels and of similarities.
        batches: ``random`` pairs, or ``neighbors``: random pairs with ``neighbors_per_pair`` of their neighbours each.
        neighbors_per_pair: how many neighbours ``batches: neighbors`` puts beside each pair.
        batch_size: pairs a batch, over all processes together.
        chunk: pairs that go through the student at once, on each process; the gradient is that of the whole batch, in the
            memory of one chunk, for one more forward pass. Null: the whole batch at once.
        gradient_accumulation: batches an optimiser step.
        steps: optimiser steps.
        epochs: instead of steps, how often every pair is seen.
        learning_rate: peak.
        schedule: after the warm-up: ``linear`` or ``cosine`` decay to zero, or ``constant``.
        warmup_steps: steps in which the learning rate grows linearly.
        weight_decay: AdamW's.
        max_grad_norm: the gradient's norm is clipped to it; 0 leaves it as it is.
        dropout: the dropout of a transformer's hidden states and attention; null: as its own configuration says.
        frozen_layers: a transformer's lowest layers that stay as they are, its token vectors with them; 0: all is trained.
        teacher_first: the share of batches in which the teacher's vectors stand for the student's of the first sides, so
            that these need no pass through the student. For a student that starts in its teacher's space.
        start_weight: the weight of the start's parameters in the student that is saved: the mean of both keeps more of what a
            pretrained student knew. Checkpoints and the dev accuracy are those of the trained one.
        lexicon: for a student with the teacher's layers: token vectors of other languages start from those of like meaning,
            found by a static student that is trained first; null: at random.
        mixed_precision: ``auto`` takes bf16 on a GPU that has it, and full precision on a CPU.
        eval_every: steps between evaluations on the dev set (mean retrieval accuracy); the best checkpoint is kept.
        dev_limit: dev pairs of each language pair that are used for it.
        patience: training ends after so many evaluations in a row without a better dev accuracy; null: never early.
        checkpoint_every: steps between checkpoints to resume from.
    """

    loss: Annotated[
        list[SerializeAsAny[LossTerm]],
        Field(min_length=1, default_factory=lambda: [LossTerm.model_validate({"name": "soft"})]),
    ]
    temperature: Temperatures = Temperatures()
    batches: Literal["random", "neighbors"] = "random"
    neighbors_per_pair: Positive = 7
    batch_size: Annotated[int, Field(ge=2)] = 512
    chunk: Positive | None = None
    gradient_accumulation: Positive = 1
    steps: Positive = 1_000
    epochs: Annotated[float, Field(gt=0)] | None = None
    learning_rate: Annotated[float, Field(gt=0)] = 5e-3
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[float, Field(ge=0)] = 0.0
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    frozen_layers: Annotated[int, Field(ge=0)] = 0
    teacher_first: Share = 0.0
    start_weight: Annotated[float, Field(ge=0, lt=1)] = 0.0
    lexicon: Lexicon | None = Lexicon()
    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = "auto"
    eval_every: Positive = 100
    dev_limit: Positive = 2_000
    patience: Positive | None = None
    checkpoint_every: Positive = 200

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.epochs is not None and "steps" in self.model_fields_set:
            raise ValueError("give 'steps' or 'epochs', not both")
        if twice := [name for name, count in Counter(term.name for term in self.loss).items() if count > 1]:
            raise ValueError(f"loss: {twice[0]} stands there twice, expected each term once")
        return self
