import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import sentence

from pipeline.artifacts.tokens import TokenBatch
from pipeline.console.errors import InputError, UserError
from pipeline.encoders.base import padded_lengths
from pipeline.encoders.layout import read_layout
from pipeline.encoders.load import EncoderSettings, ModelEncoder, load_encoder
from pipeline.encoders.model import StaticModel, TransformerModel, alike, pad_batch
from pipeline.encoders.pooling import pool
from pipeline.encoders.resolve import resolve_model
from pipeline.encoders.saving import save_encoder
from pipeline.encoders.tokenization import TextTokenizer, train_tokenizer, unknown_share
from pipeline.ground.matmul import has_onednn

TEXTS = [sentence(number) for number in range(0, 600, 13)] + ["a", sentence(3) + " " + sentence(4) + " " + sentence(5)]


def _load(folder: Path, **settings: object) -> ModelEncoder:
    source = resolve_model("teacher.model", str(folder), None, folder.parent)
    return load_encoder(source, EncoderSettings(**settings), torch.device("cpu"))  # type: ignore[arg-type]


@pytest.fixture
def static(tmp_path: Path) -> Path:
    tokenizer = TextTokenizer(train_tokenizer(iter(TEXTS), 300), "", 12, special_tokens=False)
    weight = torch.randn(tokenizer.backend.get_vocab_size(), 16, generator=torch.Generator().manual_seed(1))
    folder = tmp_path / "static"
    folder.mkdir()
    save_encoder(StaticModel(weight), tokenizer, folder)
    return folder


@given(st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=8), st.data())
def test_select_is_a_list_lookup(lists, data):
    rows = data.draw(st.lists(st.integers(0, max(len(lists) - 1, 0)), max_size=6)) if lists else []
    batch = TokenBatch.from_lists(lists).select(np.array(rows, dtype=np.int64))
    expected = TokenBatch.from_lists([lists[row] for row in rows])
    assert batch.tokens.tolist() == expected.tokens.tolist()
    assert batch.lengths.tolist() == expected.lengths.tolist()


@pytest.mark.parametrize(("pooling", "expected"), [("mean", [2.0, 3.0]), ("cls", [1.0, 2.0]), ("last", [3.0, 4.0])])
def test_pooling_by_hand(pooling, expected):
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [100.0, 100.0]]])
    assert pool(hidden, torch.tensor([[1, 1, 0]]), pooling).tolist() == [expected]


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_a_sentence_without_tokens_pools_to_zero(pooling):
    assert not pool(torch.ones(1, 8, 3), torch.zeros(1, 8, dtype=torch.int64), pooling).any()


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
@pytest.mark.parametrize("length", [8, 14, 48])
def test_a_pooled_vector_has_the_same_bits_among_any_number_of_others(pooling, length: int):
    hidden = torch.randn(40, length, 384, generator=torch.Generator().manual_seed(length))
    mask = torch.ones(40, length, dtype=torch.int64)
    whole = pool(hidden, mask, pooling)
    for rows in (1, 2, 3, 17):
        assert torch.equal(pool(hidden[:rows], mask[:rows], pooling), whole[:rows])


def test_padding_by_hand():
    ids, mask = pad_batch(TokenBatch.from_lists([[5, 6, 7], []]), pad=9)
    assert ids.tolist() == [[5, 6, 7], [9] * 3]
    assert mask.sum(axis=1).tolist() == [3, 0]
    assert padded_lengths(np.array([0, 1, 8])).tolist() == [1, 1, 8]


@pytest.mark.parametrize("by", [1, 8])
def test_a_plan_covers_every_row_and_fills_each_batch_of_one_length_with_its_last_row(
    tiny_teacher: Path, by: int, monkeypatch
):
    monkeypatch.setattr("pipeline.encoders.model.row_step", lambda _: by)
    model = _load(tiny_teacher).model
    model.packs = False  # as models are that can't be packed
    lengths = np.random.default_rng(0).integers(0, 40, 200)
    batches = model.plan(lengths, batch_tokens=64)
    assert sorted(row for rows in batches for row in np.unique(rows).tolist()) == list(range(200))
    for rows in batches:
        size = int(padded_lengths(lengths[rows[:1]])[0])
        assert (padded_lengths(lengths[rows]) == size).all()
        assert len(rows) * size % by == 0
        assert len(rows) * size <= max(64, by * size)
        copies = len(rows) - len(np.unique(rows))
        assert (rows[len(rows) - copies :] == rows[-1]).all()
        assert copies < by


def test_a_plan_of_packed_sentences_covers_every_row_once_in_batches_of_at_most_so_many_tokens(tiny_teacher: Path):
    model = _load(tiny_teacher).model
    lengths = np.random.default_rng(0).integers(0, 40, 200)
    batches = model.plan(lengths, batch_tokens=64)
    assert sorted(np.concatenate(batches).tolist()) == list(range(200))
    sizes = [padded_lengths(lengths[rows]) for rows in batches]
    assert all(np.diff(np.concatenate(sizes)) >= 0)
    assert all(64 - 40 < size.sum() <= 64 for size in sizes[:-1])
    assert [len(rows) for rows in model.plan(np.array([70, 0, 90, 64, 1]), batch_tokens=64)] == [2, 1, 1, 1]
    assert model.plan(lengths[:0], batch_tokens=64) == []


@given(lengths=st.lists(st.integers(0, 90), max_size=40), cost=st.integers(1, 300))
def test_groups_hold_every_row_once_and_little_padding(lengths: list[int], cost: int):
    groups = alike(np.array(lengths, dtype=np.int64), cost)
    assert sorted(np.concatenate(groups).tolist() if groups else []) == list(range(len(lengths)))
    found = [padded_lengths(np.array(lengths)[rows]) for rows in groups]
    for group in found:
        assert all((group.max() - group[row]) * (len(group) - row) < cost for row in range(len(group)))
    assert all(one.min() > other.max() for one, other in itertools.pairwise(found))


def test_in_training_groups_of_like_lengths_change_no_vector_and_no_gradient(tiny_teacher: Path, monkeypatch):
    model = _load(tiny_teacher).model
    model.packs = False  # as models are that can't be packed
    generator = np.random.default_rng(3)
    lengths = generator.integers(0, 40, 30)
    batch = TokenBatch(generator.integers(5, model.vocabulary, lengths.sum()).astype(np.int32), lengths)
    target = torch.from_numpy(generator.standard_normal((30, model.dimension)).astype(np.float32))
    found = []
    for cost in (1 << 30, 64):
        monkeypatch.setattr("pipeline.encoders.model.GROUP_TOKENS", cost)
        model.zero_grad()
        vectors = model(batch)
        (vectors * target).sum().backward()
        found.append(
            (vectors.detach(), [weight.grad.clone() for weight in model.parameters() if weight.grad is not None])
        )
    torch.testing.assert_close(found[0][0], found[1][0], atol=2e-6, rtol=0)
    torch.testing.assert_close(found[0][1], found[1][1], atol=2e-5, rtol=1e-4)


def test_vectors_equal_transformers_own_masked_mean(tiny_teacher: Path):
    from transformers import AutoModel

    encoder = _load(tiny_teacher)
    vectors = encoder.encode_tokens(encoder.tokenize(TEXTS))
    model = AutoModel.from_pretrained(tiny_teacher)
    model.eval()
    for text, vector in zip(TEXTS, vectors, strict=True):
        ids = torch.tensor([encoder.tokenizer.backend.encode(text).ids])
        with torch.inference_mode():
            expected = torch.nn.functional.normalize(model(input_ids=ids).last_hidden_state.mean(dim=1), dim=1)
        np.testing.assert_allclose(vector, expected[0].numpy(), atol=2e-6)


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("onednn", [True, False])
def test_a_vector_s_bits_do_not_depend_on_its_neighbours(
    tiny_teacher: Path, monkeypatch, packs: bool, onednn: bool
) -> None:
    if onednn and not has_onednn():
        pytest.skip("this processor has neither AVX-512 nor AVX2")
    monkeypatch.setattr("pipeline.ground.matmul.has_onednn", lambda: onednn)
    encoder = _load(tiny_teacher, batch_tokens=64)
    encoder.model.packs = packs
    batch = encoder.tokenize([*TEXTS, ""])
    empty = TokenBatch(batch.tokens[: -batch.lengths[-1]], np.append(batch.lengths[:-1], 0))
    for given_batch in (batch, empty):
        together = encoder.encode_tokens(given_batch)
        order = np.random.default_rng(0).permutation(len(together))
        assert (encoder.encode_tokens(given_batch.select(order)) == together[order]).all()
        for row in range(len(together)):
            assert (encoder.encode_tokens(given_batch.select(np.array([row])))[0] == together[row]).all()


@pytest.mark.parametrize("kind", ["static", "transformer"])
def test_sentence_transformers_gives_the_same_vectors(kind: str, static: Path, tiny_xlmr: Path, tmp_path: Path):
    from sentence_transformers import SentenceTransformer

    if kind == "static":
        folder, settings = static, {"max_length": 12}
    else:
        encoder = _load(tiny_xlmr, max_length=16, prefix="query: ")
        folder, settings = tmp_path / "saved", {"max_length": 16, "prefix": "query: "}
        folder.mkdir()
        save_encoder(encoder.model, encoder.tokenizer, folder)
    ours = _load(folder, **settings)
    theirs = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(ours.encode_tokens(ours.tokenize(TEXTS)), theirs, atol=1e-5)


def test_a_saved_folder_is_the_same_bytes_every_time(static: Path, tmp_path: Path):
    again = tmp_path / "again"
    again.mkdir()
    encoder = _load(static, max_length=12)
    save_encoder(encoder.model, encoder.tokenizer, again)
    for path in sorted(static.rglob("*.*")):
        assert path.read_bytes() == (again / path.relative_to(static)).read_bytes(), path.name


def test_a_static_vector_is_the_mean_of_token_vectors_by_hand():
    model = StaticModel(torch.tensor([[3.0, 0.0], [0.0, 4.0], [1.0, 1.0]]))
    vectors = model(TokenBatch.from_lists([[0, 1, 1], [], [2]])).detach()
    np.testing.assert_allclose(vectors, [[3 / 73**0.5, 8 / 73**0.5], [0, 0], [2**-0.5, 2**-0.5]], atol=1e-6)


def test_identities_see_everything_that_a_vector_depends_on(tiny_teacher: Path, tmp_path: Path):
    base = _load(tiny_teacher).identity
    assert base == _load(tiny_teacher).identity
    for change in ({"prefix": "query: "}, {"max_length": 20}, {"pooling": "cls"}, {"dtype": "bfloat16"}):
        assert _load(tiny_teacher, **change).identity != base, change
    changed = tmp_path / tiny_teacher.name
    shutil.copytree(tiny_teacher, changed)
    weights = bytearray((changed / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (changed / "model.safetensors").write_bytes(weights)
    assert _load(changed).identity != base
    shutil.rmtree(changed)
    shutil.copytree(tiny_teacher, changed)
    assert _load(changed).identity == base  # the same model elsewhere is the same model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("package:no_such_package_here/model", r"the Python package 'no_such_package_here' is not installed"),
        ("package:numpy/nowhere", r"the package 'numpy' has no folder 'nowhere'"),
        ("./nowhere", r"teacher.model: './nowhere' is no folder here"),
    ],
)
def test_models_that_are_not_there(model: str, message: str, tmp_path: Path):
    with pytest.raises(UserError, match=message):
        resolve_model("teacher.model", model, None, tmp_path)


def test_hub_errors_are_one_line_that_names_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import huggingface_hub

    def fail(*_: object, **__: object) -> str:
        raise OSError("no route\nmore lines")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(
        UserError, match=r"^teacher.model: 'someone/model' is no folder here and could not be had"
    ) as error:
        resolve_model("teacher.model", "someone/model", "main", tmp_path)
    assert "\n" not in str(error.value)


def test_a_hub_model_is_downloaded_at_its_revision_without_pickles(
    tiny_xlmr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import huggingface_hub

    asked: dict[str, object] = {}
    snapshot = tmp_path / "snapshots" / "0123abcd"
    shutil.copytree(tiny_xlmr, snapshot)

    def download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.update(name=name, revision=revision, patterns=allow_patterns)
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    source = resolve_model("teacher.model", "intfloat/multilingual-e5-base", "v1", tmp_path)
    assert (source.name, source.revision) == ("intfloat/multilingual-e5-base", "0123abcd")
    assert asked["revision"] == "v1"
    assert not [pattern for pattern in asked["patterns"] if "bin" in pattern or pattern.endswith(".pt")]  # type: ignore[union-attr]
    assert load_encoder(source, EncoderSettings(prefix="query: "), torch.device("cpu")).dimension == 32


def test_pickles_remote_code_and_wrong_digests_are_refused(tiny_teacher: Path, tmp_path: Path):
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(UserError, match=r"only pytorch_model.bin, a pickle, which is never loaded"):
        resolve_model("student.model", str(pickled), None, tmp_path)
    remote = tmp_path / "remote"
    shutil.copytree(tiny_teacher, remote)
    config = json.loads((remote / "config.json").read_text())
    (remote / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(UserError, match=r"asks for code of its own \(auto_map\), which is never run"):
        resolve_model("teacher.model", str(remote), None, tmp_path)
    with pytest.raises(UserError, match=r"has SHA-256 [0-9a-f]{64}, expected 00"):
        resolve_model("teacher.model", str(tiny_teacher), None, tmp_path, sha256="00")


def test_damaged_weights_and_tokenizers_are_named(tiny_teacher: Path, static: Path, tmp_path: Path):
    broken = tmp_path / "broken"
    shutil.copytree(tiny_teacher, broken)
    (broken / "model.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match=r"can't be loaded as a transformer"):
        _load(broken)
    (static / "model.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match=r"no static encoder's weights"):
        _load(static)
    (broken / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match=r"tokenizer.json: not a tokenizer"):
        _load(broken)
    (broken / "1_Pooling" / "config.json").write_text('{"pooling_mode": "median"}')
    with pytest.raises(InputError, match=r"asks for pooling \['median'\]; expected one or more of cls, max, mean"):
        _ = read_layout(broken).pooling


def test_a_model_that_gives_nan_is_named(tiny_teacher: Path):
    encoder = _load(tiny_teacher)
    assert isinstance(encoder.model, TransformerModel)
    with torch.no_grad():
        encoder.model.backbone.embeddings.LayerNorm.weight.fill_(torch.nan)
    with pytest.raises(UserError, match=r"got a vector that is not finite"):
        encoder.encode_tokens(encoder.tokenize(["river"]))


def test_the_trained_tokenizer_is_the_same_every_time_and_cuts_scripts():
    texts = TEXTS + ["データをload", "모델을 저장", "моя вода"] * 5
    one, two = (train_tokenizer(iter(texts), 400) for _ in range(2))
    assert one.to_str() == two.to_str()
    tokens = one.encode("データをload", add_special_tokens=False).tokens
    assert not any("を" in token and "l" in token for token in tokens)


def test_no_text_to_train_on_is_one_line():
    with pytest.raises(UserError, match="no training text"):
        train_tokenizer(iter([]), 400)


def test_truncation_keeps_special_tokens_and_the_prefix_counts():
    backend = train_tokenizer(iter(TEXTS), 300)
    batch = TextTokenizer(backend, "river ", 6, special_tokens=True)(["stone lamp tree cold wind moon"])
    assert batch.lengths.tolist() == [6]
    assert batch.tokens[0] == backend.token_to_id("[CLS]")
    assert batch.tokens[-1] == backend.token_to_id("[SEP]")
    assert backend.token_to_id("river") in batch.tokens


def test_unknown_share_by_hand():
    assert unknown_share(TokenBatch.from_lists([[1, 1, 2, 3]]), 1) == 0.5
    assert unknown_share(TokenBatch.from_lists([[]]), 1) == 0.0


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_any_text_has_a_finite_vector(tiny_teacher: Path, texts: list[str]):
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    encoder = _load(tiny_teacher, max_length=16)
    norms = np.linalg.norm(encoder.encode_tokens(encoder.tokenize(texts)), axis=1)
    np.testing.assert_allclose(norms, 1, atol=1e-5)
