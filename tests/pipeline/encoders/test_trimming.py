"""Vocabularies that are cut: what uses only kept tokens stays as it was, and what can't be cut is said."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from q4_files import PIECES, write_tokenizer
from small import WORDS, make_transformer, sentence
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from pipeline.config.models import Student
from pipeline.console.errors import UserError
from pipeline.encoders.load import EncoderSettings, load_encoder, load_transformer, save_encoder
from pipeline.encoders.model import StaticModel, embed
from pipeline.encoders.resolve import resolve_model
from pipeline.encoders.tokenization import SPECIAL_TOKENS, TextTokenizer, load_tokenizer, train_tokenizer
from pipeline.encoders.trimming import (
    always_kept,
    cut_token_vectors,
    refuse_unknown_script,
    trim_tokenizer,
    trimmed,
    vocabulary_use,
)
from pipeline.training.build import build_student

SPECIAL = ["<s>", "<pad>", "</s>", UNKNOWN := "<unk>"]
MADE = random.Random(3)  # noqa: S311
STEMS = ["".join(MADE.choices("aeioklmnrst", k=MADE.randint(2, 5))) for _ in range(60)]
ENDS = ["", "s", "ing", ", 7", " вода", " 물이", "!"]
TEXTS = [" ".join(MADE.choices([*WORDS, *STEMS], k=4)) + MADE.choice(ENDS) for _ in range(900)]
USED, OTHERS = TEXTS[:40], [*TEXTS[40:], "zebra ☃ lamp", "", "☃☃ ☃", "wind☃moon", "ßlow papering", "물 вод"]


def _unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=260, special_tokens=SPECIAL, unk_token=UNKNOWN, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def _bpe() -> Tokenizer:
    return train_tokenizer(iter(TEXTS), 300)


def _byte_bpe() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def _wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL_TOKENS[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=250, special_tokens=list(SPECIAL_TOKENS), show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


KINDS: dict[str, Callable[[], Tokenizer]] = {
    "unigram": _unigram,
    "bpe": _bpe,
    "byte bpe": _byte_bpe,
    "wordpiece": _wordpiece,
}


def _text_tokenizer(backend: Tokenizer) -> TextTokenizer:
    return TextTokenizer(backend, "lamp ", 40, special_tokens=True)


@pytest.mark.parametrize("kind", KINDS)
def test_text_of_kept_tokens_has_the_same_tokens(kind: str, tmp_path: Path):
    old = _text_tokenizer(KINDS[kind]())
    use = vocabulary_use("en", [USED], old)
    new = trimmed(old, [use], tmp_path)
    names = [new.backend.id_to_token(number) for number in range(new.backend.get_vocab_size())]
    olds = [old.backend.token_to_id(name) for name in names]
    assert olds == sorted(olds) and len(olds) < old.backend.get_vocab_size()
    same = other = 0
    for text in [*USED, *OTHERS]:
        before = old([text]).tokens.tolist()
        after = [olds[token] for token in new([text]).tokens.tolist()]
        if old.unknown in before and kind == "wordpiece":
            continue
        if set(before) <= set(olds):
            assert after == before, text
            same += 1
        else:
            assert after != before
            other += 1
    assert same > len(USED) and other > 20  # both happen, so that neither is tested in vain


@pytest.mark.parametrize("kind", KINDS)
def test_what_words_fall_back_to_is_kept(kind: str, tmp_path: Path):
    old = KINDS[kind]()
    new = trimmed(_text_tokenizer(old), [vocabulary_use("en", [["lamp"]], _text_tokenizer(old))], tmp_path).backend
    single = {name for name in old.get_vocab() if len(name.removeprefix("##").removeprefix("▁").removeprefix("Ġ")) == 1}
    special = {token.content for token in old.get_added_tokens_decoder().values()}
    assert single and special
    assert single | special <= set(new.get_vocab())
    for token in new.get_added_tokens_decoder().values():
        assert new.encode(token.content, add_special_tokens=False).tokens == [token.content]
    wrapped = new.encode("lamp").tokens
    assert (wrapped[0], wrapped[-1]) == (old.encode("lamp").tokens[0], old.encode("lamp").tokens[-1])


def test_bytes_are_kept(tmp_path: Path):
    pieces = [*PIECES, "<0x41>", "<0xFF>", "long", "ab"]
    backend = Tokenizer.from_file(str(write_tokenizer(tmp_path / "tokenizer.json", pieces)))
    used = np.zeros(len(pieces), np.bool_)
    used[pieces.index("▁ab")] = True
    assert set(trim_tokenizer(backend, used).get_vocab()) == {*PIECES, "<0x41>", "<0xFF>"}


def _xlmr(folder: Path, pad: int = 1, kind: str = "xlm-roberta", positions: int = 80) -> Path:
    """A tiny model of mE5's or of XLM-R's kind with 400 unigram pieces, whose padding is ``pad``."""
    from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(2)
    base = json.loads(_unigram().to_str())["model"]["vocab"][4:]
    fill = [[f"▁fill{number}", -30.0 - number] for number in range(200)]
    special = [["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0]]
    pieces = [name for name, _ in special + base + fill]
    pieces.insert(pad, pieces.pop(1))
    write_tokenizer(folder / "tokenizer.json", pieces)
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    scores = dict(special + base + fill)
    content["model"]["vocab"] = [[name, scores[name]] for name in pieces]
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    shape = {"vocab_size": len(pieces) + 5, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape |= {"intermediate_size": 48, "max_position_embeddings": positions, "pad_token_id": pad, "eos_token_id": 2}
    made = XLMRobertaModel(XLMRobertaConfig(**shape)) if kind == "xlm-roberta" else BertModel(BertConfig(**shape))
    made.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_the_same_vectors_before_and_after(kind: str, tmp_path: Path):
    folder = _xlmr(tmp_path / "start", kind=kind)
    source = resolve_model("student.model", str(folder), None, tmp_path)
    before = load_encoder(source, EncoderSettings(prefix="lamp ", max_length=40), torch.device("cpu"))
    tokenizer = trimmed(before.tokenizer, [vocabulary_use("en", [USED], before.tokenizer)], folder)
    student = Student(kind="pretrained", model="start", trim_vocabulary=True, max_length=40)
    model = build_student(student, tokenizer, folder, 0).eval()
    size = tokenizer.backend.get_vocab_size()
    assert model.vocabulary == model.backbone.get_input_embeddings().num_embeddings == size < before.model.vocabulary
    assert model.backbone.config.vocab_size == size
    assert (model.backbone.config.pad_token_id, model.backbone.config.eos_token_id) == (1, 2)
    vectors = before.encode_tokens(before.tokenize(USED))
    after = embed(model, tokenizer(USED), 4096)
    np.testing.assert_array_equal(after, vectors)

    from sentence_transformers import SentenceTransformer

    saved = tmp_path / "saved"
    saved.mkdir()
    save_encoder(model, tokenizer, saved)
    assert (saved / "model.safetensors").stat().st_size < (folder / "model.safetensors").stat().st_size
    loaded = SentenceTransformer(str(saved), device="cpu")
    np.testing.assert_allclose(loaded.encode(USED), vectors, atol=1e-5)


def test_gradients_reach_the_kept_token_vectors(tmp_path: Path):
    folder = _xlmr(tmp_path / "start")
    whole = load_tokenizer(folder, "", 40)
    tokenizer = trimmed(whole, [vocabulary_use("en", [USED], whole)], folder)
    model = build_student(
        Student(kind="pretrained", model="start", trim_vocabulary=True, max_length=40), tokenizer, folder, 0
    )
    batch = tokenizer(USED[:3])
    model(batch)[:, 0].sum().backward()
    gradient = model.backbone.get_input_embeddings().weight.grad
    touched = set(torch.nonzero(gradient.abs().sum(1)).flatten().tolist())
    assert touched == set(batch.tokens.tolist())


def test_a_static_student_is_cut_too(tmp_path: Path):
    whole = TextTokenizer(_unigram(), "", 40, special_tokens=False)
    weight = torch.randn(whole.backend.get_vocab_size(), 8, generator=torch.Generator().manual_seed(1))
    folder = tmp_path / "static"
    folder.mkdir()
    save_encoder(StaticModel(weight), whole, folder)
    tokenizer = trimmed(whole, [vocabulary_use("en", [USED], whole)], folder)
    student = Student(kind="pretrained", model="static", trim_vocabulary=True)
    model = build_student(student, tokenizer, folder, 0)
    np.testing.assert_array_equal(embed(model, tokenizer(USED), 1), embed(StaticModel(weight), whole(USED), 1))


def test_a_padding_that_would_move_is_refused(tmp_path: Path):
    folder = _xlmr(tmp_path / "start", pad=150, positions=400)
    whole = load_tokenizer(folder, "", 40)
    tokenizer = trimmed(whole, [vocabulary_use("en", [["lamp"]], whole)], folder)
    with pytest.raises(UserError, match="start counts positions from its padding, token 150, which would move"):
        cut_token_vectors(load_transformer(folder, EncoderSettings(max_length=40)), folder, tokenizer)


def test_another_model_s_tokenizer_is_refused(tmp_path: Path, tiny_teacher: Path):
    other = TextTokenizer(_unigram(), "", 40, special_tokens=True)
    model = load_transformer(tiny_teacher, EncoderSettings(max_length=40))
    with pytest.raises(UserError, match="data/tokenizer is not made of teacher's; run the stage tokenize again"):
        cut_token_vectors(model, tiny_teacher, other)


def test_a_tokenizer_that_can_t_be_cut_is_refused():
    backend = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token=SPECIAL_TOKENS[1]))
    with pytest.raises(UserError, match="of the kind WordLevel; expected Unigram, BPE, WordPiece, or false"):
        trim_tokenizer(backend, np.ones(2, np.bool_))


def test_ids_with_gaps_are_refused():
    backend = Tokenizer(models.BPE({"a": 0, "b": 2}, []))
    with pytest.raises(UserError, match="ids have gaps"):
        trim_tokenizer(backend, np.ones(3, np.bool_))


def test_text_in_a_script_that_the_vocabulary_lacks():
    tokenizer = _text_tokenizer(_unigram())
    english = vocabulary_use("en", [USED], tokenizer)
    tifinagh = vocabulary_use("zgh", [["ⵜⴰⵎⴰⵣⵉⵖⵜ ⵜⵓⵜⵍⴰⵢⵜ", "ⴰⵣⵓⵍ moon"]], tokenizer)
    # of three words of letters that it has never seen and one that it knows
    assert (tifinagh.known, tifinagh.unknown) == (1, 3)
    refuse_unknown_script("start", [english])
    with pytest.raises(
        UserError, match=r"the vocabulary of start lacks the script of the text: 75 % of zgh is unknown"
    ):
        refuse_unknown_script("start", [english, tifinagh])


def test_ids_that_the_configuration_names_are_kept(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"pad_token_id": 3, "eos_token_id": [7, 9], "bos_token_id": null}')
    assert always_kept(tmp_path) == {0, 1, 2, 3, 7, 9}
    (tmp_path / "config.json").write_text('{"pad_token_id": 50256}')
    assert always_kept(tmp_path) == {50256}


def test_trimming_is_for_pretrained_students():
    with pytest.raises(ValueError, match="'trim_vocabulary' is for a pretrained student"):
        Student(kind="static", trim_vocabulary=True)


def test_the_tiny_transformer_s_own_tokenizer(tmp_path: Path):
    folder = make_transformer(tmp_path / "tiny", kind="xlm-roberta")
    whole = load_tokenizer(folder, "", 40)
    texts = [sentence(number) for number in range(3)]
    tokenizer = trimmed(whole, [vocabulary_use("en", [texts], whole)], folder)
    assert tokenizer.backend.get_vocab_size() < whole.backend.get_vocab_size()
    assert [tokenizer.backend.id_to_token(token) for token in tokenizer(texts).tokens] == [
        whole.backend.id_to_token(token) for token in whole(texts).tokens
    ]
