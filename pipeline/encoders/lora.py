"""Low-rank adapters (LoRA, arXiv 2106.09685) on a transformer, through peft: added before training, merged after it.

A layer W becomes W + (alpha / rank) · B·A; W is frozen, A and B are trained. B starts at zero, so the model starts as it was.
"""

from __future__ import annotations

import warnings
from typing import Any

from pipeline.config.models import Lora
from pipeline.console.errors import UserError, first_line
from pipeline.encoders.model import SentenceModel, TransformerModel


def add_adapters(model: SentenceModel, lora: Lora, train_tokens: bool = False) -> None:
    """Freeze a transformer and give its linear layers adapters, in place; they are drawn from torch's global generator.

    With ``train_tokens`` the token vectors are trained too: fresh ones say nothing yet.

    Raises:
        UserError: if peft is not installed, the model is static, or it has no layer of a wanted name.
    """
    try:
        from peft import LoraConfig, get_peft_model  # optional, and it costs seconds
    except ImportError:
        raise UserError("student.lora needs the package peft: pip install 'softalign[lora]'") from None
    if not isinstance(model, TransformerModel):
        raise UserError(
            "student.lora: the student is static and has no layers to adapt; expected a transformer, or null"
        )
    targets = lora.targets or "all-linear"
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # between peft and transformers; nothing for users
            model.backbone = get_peft_model(model.backbone, config)
    except ValueError as error:  # "Target modules {...} not found in the base model"
        raise UserError(f"student.lora.targets: found {lora.targets}; {first_line(error)}") from None
    if train_tokens:
        model.backbone.get_base_model().get_input_embeddings().weight.requires_grad_(True)


def merge_adapters(model: SentenceModel) -> None:
    """Put what the adapters learned into the layers, in place: an ordinary transformer again. Nothing without adapters."""
    if isinstance(model, TransformerModel) and hasattr(model.backbone, "merge_and_unload"):
        merged: Any = model.backbone.merge_and_unload()
        model.backbone = merged.requires_grad_(True)
