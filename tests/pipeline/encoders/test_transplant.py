"""The teacher's layers with a new vocabulary."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from small import make_transformer, sentence
from tokenizers import Tokenizer, models, pre_tokenizers

from pipeline.console.errors import UserError
from pipeline.encoders.load import EncoderSettings, load_transformer, save_encoder
from pipeline.encoders.model import StaticModel
from pipeline.encoders.tokenization import TextTokenizer, train_tokenizer
from pipeline.encoders.transplant import padding_id, token_sources, token_vectors, transplant

TEXTS = [sentence(number) for number in range(0, 900, 7)] + ["река камень 물 水", "nowhere else"]


def _tokenizer(pad: int = 0) -> TextTokenizer:
    return TextTokenizer(train_tokenizer(iter(TEXTS), 300, pad), "", 16, special_tokens=True)


def _words(words: list[str], unknown: str) -> TextTokenizer:
    tokenizer = Tokenizer(models.WordPiece({word: n for n, word in enumerate(words)}, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return TextTokenizer(tokenizer, "", 16, special_tokens=False)


def test_where_each_token_starts_from():
    old = _words(["<pad>", "<unk>", "<s>", "river", "##s", "s", "##ide", "##к", "к", "и"], "<unk>")
    new = _words(["[PAD]", "[UNK]", "[CLS]", "[MASK]", "river", "s", "riverside", "ки", "к", "quick"], "[UNK]")
    weight = torch.randn(10, 4, generator=torch.Generator().manual_seed(1))
    found = token_vectors(weight, token_sources(old, new), seed=5)
    expected = {
        0: [0],  # special tokens by their role
        1: [1],
        2: [2],
        4: [3],  # the same word
        5: [4, 5],  # at a word's start and inside
        6: [3, 4, 6],  # pieces: river ##s ##ide
        8: [7, 8],  # a letter of another script that the old vocabulary has
    }
    for number, ids in expected.items():
        torch.testing.assert_close(found[number], weight[ids].mean(dim=0))
    again, other = (
        token_vectors(weight, token_sources(old, new), seed=5),
        token_vectors(weight, token_sources(old, new), seed=6),
    )
    assert torch.equal(found, again)
    different = (found != other).any(dim=1).nonzero()[:, 0].tolist()
    assert different == [3, 7, 9]  # no mask there; pieces of another script; unknown to the old tokenizer


def test_random_starts_have_the_old_vectors_statistics():
    old = _words(["<unk>", "a"], "<unk>")
    new = _words(["[UNK]", *(f"ж{number}" for number in range(4000))], "[UNK]")
    weight = torch.tensor([[1.0, -3.0], [3.0, -3.0]])
    found = token_vectors(weight, token_sources(old, new), seed=1)[1:]
    torch.testing.assert_close(found.mean(dim=0), weight.mean(dim=0), atol=0.1, rtol=0)
    torch.testing.assert_close(found.std(dim=0), weight.std(dim=0), atol=0.1, rtol=0)


@pytest.mark.parametrize(("kind", "pad"), [("bert", 0), ("xlm-roberta", 1)])
def test_layers_stay_and_sentence_transformers_loads_it(tmp_path: Path, kind: str, pad: int):
    folder = make_transformer(tmp_path / "teacher", kind=kind)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"pad_token_id": pad}))
    assert padding_id(folder) == pad
    tokenizer = _tokenizer(pad)
    assert tokenizer.backend.token_to_id("[PAD]") == pad
    model = transplant(folder, EncoderSettings(max_length=16), tokenizer, seed=3).eval()
    teacher = load_transformer(folder, EncoderSettings(max_length=16)).state_dict()
    for name, value in model.state_dict().items():
        if "word_embeddings" not in name:
            assert torch.equal(value, teacher[name]), name
    assert len(model.backbone.get_input_embeddings().weight) == tokenizer.backend.get_vocab_size()
    save_encoder(model, tokenizer, tmp_path)
    from sentence_transformers import SentenceTransformer

    texts = [TEXTS[0], "река 물", "x"]
    ours = model(tokenizer(texts)).detach().numpy()
    np.testing.assert_allclose(SentenceTransformer(str(tmp_path), device="cpu").encode(texts), ours, atol=1e-5)


def test_a_static_teacher_has_no_layers(tmp_path: Path):
    save_encoder(StaticModel(torch.zeros(300, 4)), _tokenizer(), tmp_path)
    with pytest.raises(UserError, match="the teacher is static and has none"):
        padding_id(tmp_path)


def test_too_few_positions(tiny_teacher: Path):
    with pytest.raises(UserError, match=r"student\.max_length: found 81, but the teacher's layers have 80 positions"):
        transplant(tiny_teacher, EncoderSettings(max_length=81), _tokenizer(), seed=0)


def test_positions_behind_the_padding(tmp_path: Path, tiny_xlmr: Path):
    folder = shutil.copytree(tiny_xlmr, tmp_path / "e5")
    with pytest.raises(UserError, match="79 positions"):
        transplant(folder, EncoderSettings(max_length=80), _tokenizer(), seed=0)
    with pytest.raises(UserError, match="padding is token 1, the teacher's positions need 0"):
        transplant(folder, EncoderSettings(max_length=16), _tokenizer(pad=1), seed=0)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"pad_token_id": 40}))
    with pytest.raises(UserError, match="counts positions from its padding, token 40"):
        transplant(folder, EncoderSettings(max_length=16), _tokenizer(), seed=0)
