"""Adapters: the layers stay as they are, the merged model says the same and is an ordinary folder."""

from __future__ import annotations

import builtins
from pathlib import Path

import pytest
import torch
from small import sentence

from pipeline.config.models import Lora
from pipeline.console.errors import UserError
from pipeline.encoders.load import EncoderSettings, load_transformer, save_encoder
from pipeline.encoders.lora import add_adapters, merge_adapters
from pipeline.encoders.model import StaticModel, TransformerModel
from pipeline.encoders.tokenization import load_tokenizer

TEXTS = [sentence(number) for number in (3, 55, 700)]


@pytest.fixture
def student(tiny_teacher: Path) -> TransformerModel:
    torch.manual_seed(0)
    return load_transformer(tiny_teacher, EncoderSettings(max_length=16))


def _train(model: TransformerModel, tokens, steps: int = 5) -> None:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        vectors = model(tokens)
        (vectors @ vectors.T).sum().backward()
        optimizer.step()


def test_only_adapters_are_trained_and_the_merged_model_says_the_same(
    student: TransformerModel, tiny_teacher: Path, tmp_path: Path
):
    tokenizer = load_tokenizer(tiny_teacher, "", 16)
    tokens = tokenizer(TEXTS)
    student.eval()
    before = student(tokens).detach()
    add_adapters(student, Lora(rank=4, alpha=8.0))
    torch.testing.assert_close(student(tokens), before, atol=1e-6, rtol=0)  # B starts at zero
    names = {name for name, parameter in student.named_parameters() if parameter.requires_grad}
    assert names
    assert all("lora_" in name for name in names)
    base = {name: value.clone() for name, value in student.state_dict().items() if name not in names}
    _train(student, tokens)
    for name, value in base.items():
        assert torch.equal(student.state_dict()[name], value), name
    adapted = student(tokens).detach()
    assert (adapted - before).abs().max() > 1e-2
    merge_adapters(student)
    torch.testing.assert_close(student(tokens).detach(), adapted, atol=1e-5, rtol=0)
    assert not any("lora_" in name for name in student.state_dict())

    save_encoder(student, tokenizer, tmp_path)
    assert not (tmp_path / "adapter_config.json").exists()
    from sentence_transformers import SentenceTransformer

    encoded = SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS, convert_to_tensor=True)
    torch.testing.assert_close(encoded, adapted, atol=1e-5, rtol=0)


def test_targets_choose_the_layers(student: TransformerModel):
    add_adapters(student, Lora(rank=2, targets=["query", "value"]))
    adapted = {name for name, parameter in student.named_parameters() if parameter.requires_grad}
    assert all(".query." in name or ".value." in name for name in adapted)
    assert len(adapted) == 2 * 2 * 2  # A and B, of two kinds, in two layers


def test_token_vectors_can_be_trained_too(student: TransformerModel):
    add_adapters(student, Lora(rank=2), train_tokens=True)
    trained = [name for name, parameter in student.named_parameters() if parameter.requires_grad]
    assert [name for name in trained if "lora_" not in name] == [
        "backbone.base_model.model.embeddings.word_embeddings.weight"
    ]


def test_merging_a_model_without_adapters_changes_nothing(student: TransformerModel):
    backbone = student.backbone
    merge_adapters(student)
    assert student.backbone is backbone


def test_an_unknown_target_is_one_line(student: TransformerModel):
    with pytest.raises(UserError, match=r"student\.lora\.targets: found \['nothing'\]") as caught:
        add_adapters(student, Lora(targets=["nothing"]))
    assert "\n" not in str(caught.value)


def test_a_static_student_has_no_layers():
    with pytest.raises(UserError, match=r"student\.lora: the student is static"):
        add_adapters(StaticModel(torch.zeros(4, 2)), Lora())


def test_without_peft_one_line_says_what_to_install(student: TransformerModel, monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def without(name: str, *rest, **options):
        if name == "peft":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'softalign\[lora\]'"):
        add_adapters(student, Lora())
