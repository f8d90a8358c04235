"""Sentences packed one after the other have the vectors and the gradients of padded ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small import make_transformer, sentence

from pipeline.artifacts.tokens import TokenBatch
from pipeline.config.models import Lora
from pipeline.encoders.load import EncoderSettings, load_tokenizer, load_transformer, save_encoder
from pipeline.encoders.lora import add_adapters
from pipeline.encoders.model import TransformerModel, embed
from pipeline.encoders.packed import Packing, attend, can_pack, packed_vectors
from pipeline.encoders.pieces import in_pieces
from pipeline.encoders.pooling import Pooling
from pipeline.training.build import set_dropout


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


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two threads, of which each takes a piece however small it is."""
    monkeypatch.setattr("pipeline.encoders.model.THREAD_TOKENS", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def _pieces_seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many inputs each call of `in_pieces` had, as it goes on."""
    seen: list[int] = []

    def noted(compute, inputs, parameters):
        seen.append(len(inputs))
        return in_pieces(compute, inputs, parameters)

    monkeypatch.setattr("pipeline.encoders.packed.in_pieces", noted)
    return seen


@pytest.mark.parametrize("frozen", ["nothing", "tokens", "layers", "all but tokens"])
@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_a_thread_s_own_piece_changes_neither_vectors_nor_gradients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two_threads: None, kind: str, frozen: str
):
    model = load_transformer(make_transformer(tmp_path / "model", kind=kind), EncoderSettings(max_length=16)).eval()
    tokens = model.backbone.get_input_embeddings()
    if frozen in ("layers", "all but tokens"):
        model.backbone.encoder.requires_grad_(False)
    if frozen == "all but tokens":
        model.backbone.requires_grad_(False)
    tokens.requires_grad_(frozen != "tokens")
    batch, seen = _tokens(tmp_path / "model", special=False), _pieces_seen(monkeypatch)
    apart, again = _gradients(model, batch), _gradients(model, batch)
    assert seen == [2, 2]
    torch.set_num_threads(1)
    together = _gradients(model, batch)
    assert seen == [2, 2]
    assert apart.keys() == again.keys() == together.keys()
    for name, value in together.items():
        torch.testing.assert_close(apart[name], value, atol=1e-6, rtol=1e-4, msg=name)
        assert torch.equal(apart[name], again[name]), name
    with torch.no_grad():
        torch.set_num_threads(2)
        alone = model(batch)
    assert not alone.requires_grad
    torch.testing.assert_close(alone, together["vectors"], atol=1e-6, rtol=1e-5)


def test_adapters_have_the_same_gradients_in_pieces(tmp_path: Path, two_threads: None):
    torch.manual_seed(0)
    model = load_transformer(make_transformer(tmp_path / "model"), EncoderSettings(max_length=16))
    add_adapters(model, Lora(rank=2), train_tokens=True)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    batch = _tokens(tmp_path / "model")
    apart = _gradients(model.eval(), batch)
    torch.set_num_threads(1)
    together = _gradients(model, batch)
    assert apart.keys() == together.keys() and any("lora_A" in name for name in apart)
    for name, value in together.items():
        torch.testing.assert_close(apart[name], value, atol=1e-5, rtol=1e-3, msg=name)


def test_threads_of_their_own_pieces_compute_in_the_caller_s_precision(tmp_path: Path, two_threads: None):
    model = load_transformer(make_transformer(tmp_path / "model"), EncoderSettings(max_length=16)).eval()
    batch, products = _tokens(tmp_path / "model"), list[torch.dtype]()
    model.backbone.encoder.layer[0].attention.self.query.register_forward_hook(
        lambda module, given, result: products.append(result.dtype)
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        apart = _gradients(model, batch)
    assert products == [torch.bfloat16] * 2
    torch.set_num_threads(1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        together = _gradients(model, batch)
    torch.testing.assert_close(apart["vectors"], together["vectors"], atol=2e-2, rtol=2e-2)
    products.clear()
    torch.set_num_threads(2)
    _gradients(model, batch)
    assert products == [torch.float32] * 2


def test_what_is_drawn_at_random_is_drawn_in_one_thread(
    tiny_teacher: Path, monkeypatch: pytest.MonkeyPatch, two_threads: None
):
    model, batch = load_transformer(tiny_teacher, EncoderSettings(max_length=16)), _tokens(tiny_teacher)
    seen, found = _pieces_seen(monkeypatch), []
    for _ in range(3):
        torch.manual_seed(1)
        found.append(model.train()(batch).detach())
    assert seen == []
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
    set_dropout(model, 0.0)
    model(batch)
    assert seen == [2]


def test_embedding_s_batches_are_not_cut_again(tiny_teacher: Path, monkeypatch: pytest.MonkeyPatch, two_threads: None):
    model, batch = load_transformer(tiny_teacher, EncoderSettings(max_length=16)).eval(), _tokens(tiny_teacher)
    seen = _pieces_seen(monkeypatch)
    embed(model, batch, 100_000)
    assert seen == []


def test_what_fills_up_a_piece_is_no_sentence_of_the_next(tiny_teacher: Path, monkeypatch: pytest.MonkeyPatch):
    model, batch = load_transformer(tiny_teacher, EncoderSettings(max_length=16)).eval(), _tokens(tiny_teacher)
    monkeypatch.setattr("pipeline.encoders.packed.row_step", lambda weight: 8)
    with torch.inference_mode():
        one, three = (packed_vectors(model.backbone, batch, "mean", model.pad, pieces=pieces) for pieces in (1, 3))
    torch.testing.assert_close(one, three, atol=1e-6, rtol=1e-5)


def test_small_batches_are_not_cut(tiny_teacher: Path, monkeypatch: pytest.MonkeyPatch, two_threads: None):
    model, batch = load_transformer(tiny_teacher, EncoderSettings(max_length=16)).eval(), _tokens(tiny_teacher)
    seen, tokens = _pieces_seen(monkeypatch), int(batch.lengths.sum())
    for least, expected in ((tokens // 2, [2]), (tokens // 2 + 1, [2])):
        monkeypatch.setattr("pipeline.encoders.model.THREAD_TOKENS", least)
        model(batch)
        assert seen == expected


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
