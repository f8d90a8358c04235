"""Tiny students to export."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small import sentence

from pipeline.encoders.load import save_encoder
from pipeline.encoders.model import StaticModel
from pipeline.encoders.tokenization import TextTokenizer, train_tokenizer

TEXTS = [sentence(number) for number in range(0, 600, 13)]


@pytest.fixture(scope="session")
def static_student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static student whose token vectors differ in length a thousandfold."""
    tokenizer = TextTokenizer(train_tokenizer(iter(TEXTS), 300), "", 12, special_tokens=False)
    generator = torch.Generator().manual_seed(1)
    size = tokenizer.backend.get_vocab_size()
    weight = torch.randn(size, 16, generator=generator) * torch.logspace(-2, 1, size)[:, None]
    folder = tmp_path_factory.mktemp("export") / "student"
    folder.mkdir()
    save_encoder(StaticModel(weight), tokenizer, folder)
    return folder
