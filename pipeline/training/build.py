"""The student before training: static or a transformer from nothing, a pretrained encoder, or the teacher's layers."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from pipeline.config.models import Student, Teacher
from pipeline.config.train import Train
from pipeline.console.errors import UserError
from pipeline.encoders.load import EncoderSettings, load_model
from pipeline.encoders.lora import add_adapters
from pipeline.encoders.model import SentenceModel, TransformerModel, fresh_static
from pipeline.encoders.tokenization import TextTokenizer
from pipeline.encoders.transplant import transplant
from pipeline.encoders.trimming import cut_token_vectors


def build_student(
    student: Student, tokenizer: TextTokenizer, start: Path | None, seed: int, teacher: Teacher | None = None
) -> SentenceModel:
    """The student that training starts from, on the CPU, in float32.

    Args:
        student: the student's parameters.
        tokenizer: the student's tokenizer.
        start: the folder of a pretrained student, or of the teacher whose layers are taken.
        seed: the seed of fresh weights and of torch's global generator (dropout).
        teacher: the teacher's parameters; a student with its layers pools as it does, unless told otherwise.

    Raises:
        UserError: if the start can't serve, or adapters can't be added.
    """
    torch.manual_seed(seed)
    model = _build(student, tokenizer, start, seed, teacher)
    if start is not None and not any(parameter.requires_grad for parameter in model.parameters()):
        name = start.resolve().name
        raise UserError(f"student.model: {name} has no weights that are trained; expected another model")
    if student.lora is not None:
        add_adapters(model, student.lora, train_tokens=student.kind == "teacher")
    return model


def apply_training(model: SentenceModel, train: Train) -> None:
    """Let a student have the dropout and the frozen layers that its training asks for, in place.

    Raises:
        UserError: if more layers shall be frozen than there are.
    """
    if train.dropout is not None:
        set_dropout(model, train.dropout)
    if (count := train.frozen_layers) == 0:
        return
    # Token vectors and the lowest layers stay as they are: they get no gradient, and no pass backwards.
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    layers = list(lists[0]) if lists else []
    if count > len(layers):
        raise UserError(
            f"train.frozen_layers: found {count}, but the student has {len(layers)} layers; expected no more"
        )
    embeddings = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    norms = [module for name, module in model.named_modules() if name.endswith("embeddings.LayerNorm")]
    for module in (*embeddings, *norms, *layers[:count]):
        module.requires_grad_(False)


def set_dropout(model: SentenceModel, share: float) -> None:
    """Let all of a transformer's dropout drop this share, in place; a static student has none."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        for name in ("attention_dropout", "dropout_prob"):  # of models that call torch's function
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, share)


def _build(
    student: Student, tokenizer: TextTokenizer, start: Path | None, seed: int, teacher: Teacher | None
) -> SentenceModel:
    if student.kind == "static":
        return fresh_static(tokenizer.backend.get_vocab_size(), student.dimension, seed)
    if student.kind == "transformer":
        return _transformer(student, tokenizer)
    if start is None:
        raise ValueError("a student that doesn't start from nothing needs a folder")
    pooling = student.pooling
    if student.kind == "teacher":
        if pooling == "auto" and teacher is not None:
            pooling = teacher.pooling
        return transplant(start, EncoderSettings(pooling=pooling, max_length=student.max_length), tokenizer, seed)
    model = load_model(start, EncoderSettings(pooling, tokenizer.prefix, student.max_length))
    if student.trim_vocabulary:
        cut_token_vectors(model, start, tokenizer)
    return model


def _transformer(student: Student, tokenizer: TextTokenizer) -> TransformerModel:
    from transformers import BertConfig, BertModel  # costs seconds: only where a transformer is used

    pad = tokenizer.backend.token_to_id("[PAD]") or 0
    shape = student.transformer
    config = BertConfig(
        vocab_size=tokenizer.backend.get_vocab_size(),
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate_size,
        max_position_embeddings=max(student.max_length, 8) + 8,
        pad_token_id=pad,
    )
    pooling = "mean" if student.pooling == "auto" else student.pooling
    return TransformerModel(BertModel(config, add_pooling_layer=False), pooling, pad)
