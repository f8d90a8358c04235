"""The student before training: static or a transformer from nothing, or a pretrained encoder."""

from __future__ import annotations

from pathlib import Path

import torch

from pipeline.config import Student
from pipeline.encoders.load import EncoderSettings, is_static, load_static, load_transformer
from pipeline.encoders.model import SentenceModel, StaticModel, TransformerModel
from pipeline.encoders.tokenization import TextTokenizer

STATIC_SCALE = 0.02
"""Standard deviation of fresh token vectors."""


def build_student(student: Student, tokenizer: TextTokenizer, pretrained: Path | None, seed: int) -> SentenceModel:
    """The student that training starts from, on the CPU, in float32.

    Args:
        student: the parameters.
        tokenizer: the student's.
        pretrained: the folder of a pretrained student.
        seed: of fresh weights; also seeds torch's global generator (dropout).
    """
    torch.manual_seed(seed)
    if student.kind == "static":
        size = tokenizer.backend.get_vocab_size()
        generator = torch.Generator().manual_seed(seed)
        return StaticModel(torch.randn(size, student.dimension, generator=generator) * STATIC_SCALE)
    if student.kind == "transformer":
        return _transformer(student, tokenizer)
    if pretrained is None:
        raise ValueError("a pretrained student needs its folder")
    if is_static(pretrained):
        return load_static(pretrained)
    return load_transformer(pretrained, EncoderSettings(pooling=student.pooling, max_length=student.max_length))


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
