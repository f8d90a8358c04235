"""Sentences packed one after the other have the vectors and the gradients of padded ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small import make_transformer, sentence

from pipeline.artifacts.tokens import TokenBatch
from pipeline.encoders.load import EncoderSettings, load_tokenizer, load_transformer, save_encoder
from pipeline.encoders.model import TransformerModel, embed
from pipeline.encoders.packed import Packing, attend, can_pack
from pipeline.encoders.pooling import Pooling


def _tokens(folder: Path, special: bool = True) -> TokenBatch:
    texts = [" ".join(sentence(number).split()[: number % 5]) for number in range(23)]
    return load_tokenizer(folder, "", 16, special_tokens=special)(texts)


def _gradients(model: TransformerModel, batch: TokenBatch) -> dict[str, torch.Tensor]:
    model.zero_grad()
    vectors = model(batch)
    (vectors @ vectors.T).exp().mean().backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}
    return found | {"vectors": vectors.detach()}


def _packed_as_padded(model: TransformerModel, batch: TokenBatch) -> dict[str, torch.Tensor]:
    """Packed vectors and gradients, which have to be those of padded sentences; the model pads from here on."""
    assert model.packs
    packed = _gradients(model, batch)
    model.packs = False
    padded = _gradients(model, batch)
    assert packed.keys() == padded.keys()
    for name, value in padded.items():
        torch.testing.assert_close(packed[name], value, atol=1e-6, rtol=1e-4, msg=name)
    return packed


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_packed_sentences_have_the_vectors_and_gradients_of_padded_ones(tmp_path: Path, kind: str, pooling: Pooling):
    folder = make_transformer(tmp_path / "model", kind=kind)
    model = load_transformer(folder, EncoderSettings(pooling=pooling, max_length=16)).eval()
    batch = _tokens(folder, special=False)
    assert (batch.lengths == 0).any()
    packed = _packed_as_padded(model, batch)
    np.testing.assert_allclose(embed(model, batch, 4096), packed["vectors"], atol=1e-6)


@pytest.mark.parametrize("kind", ["distilbert", "electra"])
def test_bert_s_relatives_are_packed_too(kind: str):
    from transformers import DistilBertConfig, DistilBertModel, ElectraConfig, ElectraModel

    torch.manual_seed(3)
    backbones = {
        "distilbert": lambda: DistilBertModel(
            DistilBertConfig(vocab_size=50, dim=32, n_layers=2, n_heads=4, hidden_dim=64)
        ),
        "electra": lambda: ElectraModel(
            ElectraConfig(
                vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
            )
        ),
    }
    model = TransformerModel(backbones[kind](), "mean", 0).eval()
    lengths = np.random.default_rng(0).integers(1, 12, 20)
    batch = TokenBatch(np.random.default_rng(1).integers(1, 50, lengths.sum()).astype(np.int32), lengths)
    _packed_as_padded(model, batch)


def test_a_sentence_sees_no_other(tiny_teacher: Path):
    model = load_transformer(tiny_teacher, EncoderSettings(max_length=16)).eval()
    batch = _tokens(tiny_teacher)
    together = model(batch)
    for row in (0, 7, 22):
        torch.testing.assert_close(model(batch.select(np.array([row])))[0], together[row], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_vector_of_a_wide_model_has_the_same_bits_in_any_company(threads: int, dtype: torch.dtype):
    """Of a width at which the kernels take several rows at once."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    shape = {"hidden_size": 384, "num_hidden_layers": 1, "num_attention_heads": 12, "intermediate_size": 1536}
    backbone = BertModel(BertConfig(vocab_size=99, **shape), add_pooling_layer=False)
    model = TransformerModel(backbone.to(dtype), "mean", 0).eval()
    assert model.packs
    lengths = np.random.default_rng(1).integers(1, 60, 20)
    batch = TokenBatch(np.random.default_rng(2).integers(1, 99, lengths.sum()).astype(np.int32), lengths)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = embed(model, batch, 512)
        for rows in (np.arange(3), np.arange(9)[::-1].copy(), *np.split(np.arange(20), 20)):
            assert np.array_equal(embed(model, batch.select(rows), 512), together[rows])
    finally:
        torch.set_num_threads(before)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.sampled_from([1, 8]))
def test_every_token_is_packed_once_and_in_its_sentence(lengths: list[int], step: int):
    counts = np.array(lengths, dtype=np.int64)
    batch = TokenBatch(np.arange(1, counts.sum() + 1, dtype=np.int32), counts)
    packing = Packing(batch, step)
    ids, positions = packing.ids(0), packing.positions()
    there = int(np.maximum(counts, 1).sum())
    assert len(ids) == len(positions) == sum(packing.tokens) == -(-there // step) * step
    assert sorted(ids[ids > 0].tolist()) == batch.tokens.tolist()
    starts = np.flatnonzero(positions == 0)
    sentences = np.split(ids, starts[1:])
    for row, sentence_ids in zip(packing.order, sentences, strict=False):
        expected = batch.select(np.array([row])).tokens.tolist()
        assert sentence_ids.tolist() == (expected or [0])
    assert [filler.tolist() for filler in sentences[len(counts) :]] == [[0]] * (len(ids) - there)


def test_attention_by_hand():
    batch = TokenBatch(np.array([5, 6, 7], dtype=np.int32), np.array([2, 1], dtype=np.int64))
    query = torch.tensor([[[[9.0], [2.0], [0.0]]]])  # in order of length: first the sentence of one token
    value = torch.tensor([[[[7.0], [1.0], [3.0]]]])
    found, _ = attend(torch.nn.Module(), query, query, value, None, scaling=0.5, packing=Packing(batch))
    # the second sentence's scores: 0.5 * [[4, 0], [0, 0]]
    e2 = float(torch.tensor(2.0).exp())
    assert found.flatten().tolist() == pytest.approx([7.0, (e2 * 1 + 3) / (e2 + 1), 2.0])


def test_dropout_of_attention_is_drawn_anew_and_repeatable(tiny_teacher: Path):
    model = load_transformer(tiny_teacher, EncoderSettings(max_length=16)).train()
    batch = _tokens(tiny_teacher)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(model(batch).detach())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_models_whose_layers_know_more_are_padded():
    from transformers import MPNetConfig, MPNetModel

    shape = {
        "vocab_size": 30,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 8,
    }
    assert not can_pack(MPNetModel(MPNetConfig(**shape), add_pooling_layer=False))


def test_a_saved_model_is_an_ordinary_one(tiny_teacher: Path, tmp_path: Path):
    """Nothing of packing is in the folder: others load it as ever."""
    model = load_transformer(tiny_teacher, EncoderSettings(max_length=16)).eval()
    save_encoder(model, load_tokenizer(tiny_teacher, "", 16), tmp_path)
    assert "packed" not in (tmp_path / "config.json").read_text()
