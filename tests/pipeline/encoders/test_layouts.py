"""Every layout that people's models have gives sentence-transformers' own vectors: as it is, trained, and saved."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from small import make_transformer
from st_layouts import LAYOUTS, LIBRARY, MAX_LENGTH, OWN, TEXTS, build, change, library_vectors, write_json

from pipeline.artifacts.tokens import TokenBatch
from pipeline.config.models import Lora, Student
from pipeline.console.errors import InputError, UserError
from pipeline.encoders.described import ModelOptions, open_model
from pipeline.encoders.layout import read_layout
from pipeline.encoders.library import LibraryModel
from pipeline.encoders.load import EncoderSettings, load_encoder, load_model
from pipeline.encoders.model import StaticModel, TransformerModel, embed
from pipeline.encoders.resolve import resolve_model
from pipeline.encoders.saving import save_encoder
from pipeline.encoders.tokenization import TextTokenizer, byte_tokenizer, load_tokenizer
from pipeline.training.build import build_student


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of each layout."""
    root = tmp_path_factory.mktemp("layouts")
    for name in LAYOUTS:
        build(root / name, name)
    return root


def vectors_of(folder: Path, **options: object) -> np.ndarray:
    encoder = open_model(ModelOptions(str(folder), **options), folder.parent)  # type: ignore[arg-type]
    return encoder.encode_tokens(encoder.tokenize(TEXTS))


@pytest.mark.parametrize("name", LAYOUTS)
def test_vectors_are_those_of_sentence_transformers(name: str, models: Path):
    expected = library_vectors(models / name)
    found = vectors_of(models / name)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (expected @ expected.T).mean() < 0.99  # a stand-in that tells texts apart


@pytest.mark.parametrize("name", LAYOUTS)
def test_only_what_we_do_not_compute_goes_to_the_library_and_that_is_said(
    name: str, models: Path, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        encoder = open_model(ModelOptions(str(models / name)), models)
    assert isinstance(encoder.model, LibraryModel) == (name in LIBRARY)
    said = [line for line in caplog.messages if "sentence-transformers computes it" in line]
    assert len(said) == int(name in LIBRARY)


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name not in ("decoder-alone", "word-embeddings")])
def test_a_student_trains_all_its_modules_and_is_saved_with_them(name: str, models: Path, tmp_path: Path):
    """One step moves every weight; what is saved then has the trained vectors in sentence-transformers, and here."""
    folder = models / name
    layout = read_layout(folder)
    tokenizer = load_tokenizer(folder, layout.prompt(None, ""), MAX_LENGTH)
    student = Student(kind="pretrained", model=str(folder), max_length=MAX_LENGTH)
    model = build_student(student, tokenizer, folder, 3)
    model.eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    batch = tokenizer(TEXTS)
    target = torch.randn(len(TEXTS), model.dimension, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    (model(batch) * target).sum().backward()
    optimizer.step()
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert moved
    assert {key for key in before if key.startswith("head.") or ".linear." in key} <= moved  # the gradient reaches them
    dense = any(module.kind in ("Dense", "LayerNorm") for module in layout.modules)
    assert dense == any(key.startswith("head.") or ".linear." in key for key in before)
    trained = embed(model, batch, 4096)
    saved = tmp_path / "student"
    saved.mkdir()
    save_encoder(model, tokenizer, saved, layout.prompts)
    np.testing.assert_allclose(library_vectors(saved), trained, atol=1e-5)
    np.testing.assert_allclose(vectors_of(saved), trained, atol=1e-5)
    again = read_layout(saved)
    assert [module.kind for module in again.modules if module.kind not in ("Normalize", "Dropout")] == [
        module.kind for module in layout.modules if module.kind not in ("Normalize", "Dropout")
    ]
    assert again.prompts.items() >= {key: text for key, text in layout.prompts.items() if text}.items()
    assert (again.prompt(None, ""), again.include_prompt) == (tokenizer.prefix, layout.include_prompt)


@pytest.mark.parametrize(
    "name", ["labse", "two-poolings", "instructor-other-poolings", "layer-norm", "embedding-gemma"]
)
def test_packed_padded_and_batched_sentences_have_the_same_vectors(name: str, models: Path):
    """On CPUs sentences are packed; what can't be takes equal lengths together, or pads."""
    folder = models / name
    model = load_model(folder, EncoderSettings("auto", read_layout(folder).prompt(None, ""), MAX_LENGTH)).eval()
    assert isinstance(model, TransformerModel)
    batch = load_tokenizer(folder, read_layout(folder).prompt(None, ""), MAX_LENGTH)([*TEXTS, ""])
    assert model.packs
    packed = model(batch).detach()
    model.packs = False
    padded = model(batch).detach()
    torch.testing.assert_close(packed, padded, atol=1e-6, rtol=0)
    for packs in (False, True):
        model.packs = packs
        together = embed(model, batch, 4096)
        np.testing.assert_allclose(together, packed, atol=1e-6)
        for row in (0, 5, len(TEXTS)):  # and the same bits alone
            assert np.array_equal(embed(model, batch.select(np.array([row])), 4096)[0], together[row])


def test_a_static_dense_gives_a_sentence_the_same_bits_in_any_company(models: Path):
    model = load_model(models / "static-dense", EncoderSettings()).eval()
    batch = load_tokenizer(models / "static-dense", "", MAX_LENGTH)(TEXTS)
    together = embed(model, batch, 4096)
    for row in (0, 3):
        assert np.array_equal(embed(model, batch.select(np.array([row])), 4096)[0], together[row])


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_decoder_s_padding_side_changes_nothing(side: str, models: Path, tmp_path: Path):
    folder = Path(shutil.copytree(models / "qwen3-embedding", tmp_path / "m"))
    change(folder / "tokenizer_config.json", padding_side=side)
    np.testing.assert_allclose(vectors_of(folder), vectors_of(models / "qwen3-embedding"), atol=1e-6)
    np.testing.assert_allclose(vectors_of(folder), library_vectors(folder), atol=1e-5)
    model = load_model(folder, EncoderSettings()).eval()
    np.testing.assert_allclose(
        model(load_tokenizer(folder, "", MAX_LENGTH)(TEXTS)).detach(), vectors_of(folder), atol=1e-6
    )


def test_a_decoder_ends_as_its_tokenizer_says(models: Path):
    tokenizer = load_tokenizer(models / "qwen3-embedding", "", MAX_LENGTH)
    end = tokenizer.backend.token_to_id("[SEP]")
    batch = tokenizer(TEXTS)
    assert (batch.tokens[batch.starts + batch.lengths - 1] == end).all()
    assert batch.lengths.max() == MAX_LENGTH


@pytest.mark.parametrize("key", ["add_eos_token", "add_bos_token"])
def test_special_tokens_that_only_tokenizer_config_asks_for(key: str, tmp_path: Path):
    folder = make_transformer(tmp_path / "m")
    change(folder / "tokenizer_config.json", **{key: True, "bos_token": "[CLS]", "eos_token": "[SEP]"})
    np.testing.assert_allclose(vectors_of(folder), library_vectors(folder), atol=1e-5)


def test_text_is_cut_on_the_side_that_the_tokenizer_says(tmp_path: Path):
    folder = make_transformer(tmp_path / "m")
    change(folder / "tokenizer_config.json", truncation_side="left", model_max_length=12)
    tokenizer = load_tokenizer(folder, "", 12)
    words = tokenizer.backend.decode(tokenizer(["river " * 20 + "stone"]).tokens.tolist())
    assert words.endswith("stone")
    copied = TextTokenizer(tokenizer.backend.from_str(tokenizer.backend.to_str()), "", 12, True)
    assert copied.content == tokenizer.content  # as it goes to workers
    np.testing.assert_allclose(vectors_of(folder), library_vectors(folder), atol=1e-5)


# What a vector depends on is in its identity


@pytest.mark.parametrize(
    ("name", "file", "values"),
    [
        ("two-poolings", "1_Pooling/config.json", {"pooling_mode": ["mean", "cls"]}),
        ("instructor", "1_Pooling/config.json", {"include_prompt": True}),
        ("lower-case", "sentence_bert_config.json", {"do_lower_case": False}),
        ("embedding-gemma", "config_sentence_transformers.json", {"truncate_dim": 8}),
        ("embedding-gemma", "config_sentence_transformers.json", {"default_prompt_name": "query"}),
        ("distiluse", "2_Dense/config.json", {"activation_function": "torch.nn.Identity"}),
        ("distiluse", "0_Transformer/sentence_bert_config.json", {"max_seq_length": 8}),
        ("static-inside", "config_sentence_transformers.json", {"truncate_dim": 6}),
    ],
)
def test_a_key_that_changes_vectors_changes_the_identity(
    name: str, file: str, values: dict, models: Path, tmp_path: Path
):
    folder = Path(shutil.copytree(models / name, tmp_path / name))
    before, vectors = open_model(ModelOptions(str(folder)), tmp_path).identity, vectors_of(folder)
    change(folder / file, **values)
    assert open_model(ModelOptions(str(folder)), tmp_path).identity != before
    other = vectors_of(folder)
    assert other.shape != vectors.shape or not np.allclose(other, vectors)


@pytest.mark.parametrize(
    ("name", "path"), [("labse", "2_Dense"), ("embedding-gemma", "3_Dense"), ("word-embeddings", "0_WordEmbeddings")]
)
def test_other_weights_of_a_module_change_the_identity(name: str, path: str, models: Path, tmp_path: Path):
    folder = Path(shutil.copytree(models / name, tmp_path / name))
    before = open_model(ModelOptions(str(folder)), tmp_path).identity
    path = path if (folder / path).is_dir() else ""
    weights = {key: value + 0.5 for key, value in load_file(folder / path / "model.safetensors").items()}
    save_file(weights, folder / path / "model.safetensors")
    after = open_model(ModelOptions(str(folder)), tmp_path).identity
    assert {key for key in after if after[key] != before[key]} == {"content"}


# Prompts


def test_a_prompt_goes_by_its_name(models: Path):
    folder = models / "embedding-gemma"
    assert np.array_equal(vectors_of(folder), vectors_of(folder, prompt_name="document"))
    query = vectors_of(folder, prompt_name="query")
    assert not np.allclose(query, vectors_of(folder))
    np.testing.assert_allclose(query, library_vectors(folder, prompt_name="query"), atol=1e-5)
    np.testing.assert_allclose(vectors_of(folder, prefix="river"), library_vectors(folder, prompt="river"), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "embedding-gemma",
            {"prompt_name": "no"},
            r"^--prompt-name: embedding-gemma has no prompt 'no'; it has 'document', 'query'$",
        ),
        ("static-dense", {"prompt_name": "no"}, r"has no prompt 'no'; it has '"),
        (
            "model2vec",
            {"prompt_name": "a", "prefix": "b"},
            r"^--prompt-name: found 'a' and the prefix 'b'; expected one of the two$",
        ),
    ],
)
def test_a_prompt_that_is_not_there_lists_those_that_are(name: str, options: dict, message: str, models: Path):
    with pytest.raises(UserError, match=message):
        open_model(ModelOptions(str(models / name), **options), models)


# Lengths


@pytest.mark.parametrize(
    ("file", "values", "expected"),
    [
        ("sentence_bert_config.json", {"max_seq_length": 10}, 10),
        ("sentence_bert_config.json", {"max_seq_length": None}, 64),
        ("sentence_bert_config.json", {"max_seq_length": 10, "tokenizer_args": {"model_max_length": 12}}, 12),
        ("sentence_bert_config.json", {"processor_kwargs": {"model_max_length": 14}}, 14),
        ("sentence_roberta_config.json", {"max_seq_length": 16}, 16),
        ("tokenizer_config.json", {"model_max_length": 20}, 20),
        ("tokenizer_config.json", {"model_max_length": 10**30}, 80),
    ],
)
def test_the_length_is_where_sentence_transformers_finds_it(file: str, values: dict, expected: int, tmp_path: Path):
    from sentence_transformers import SentenceTransformer

    folder = make_transformer(tmp_path / "m")
    change(folder / file, **values)
    assert read_layout(folder).length == expected
    assert SentenceTransformer(str(folder), device="cpu").max_seq_length == expected


@pytest.mark.parametrize(
    ("kind", "expected"), [("bert", 514), ("xlm-roberta", 512), ("camembert", 512), ("mpnet", 512), ("longformer", 512)]
)
def test_positions_that_are_counted_from_the_padding_are_fewer(kind: str, expected: int, tmp_path: Path):
    write_json(tmp_path / "config.json", {"model_type": kind, "max_position_embeddings": 514, "pad_token_id": 1})
    assert read_layout(tmp_path).positions == expected


@pytest.mark.parametrize("name", ["labse", "residual", "static"])
def test_a_shorter_length_holds_for_every_kind_and_a_longer_one_is_said(
    name: str, models: Path, caplog: pytest.LogCaptureFixture
):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(models / name), device="cpu")
    if name == "static":
        model[0].tokenizer.enable_truncation(6)
    else:
        model.max_seq_length = 6
    expected = model.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(vectors_of(models / name, max_length=6), expected, atol=1e-5)
    assert not caplog.messages or name == "residual"
    if name == "labse":
        vectors_of(models / name, max_length=70)
        assert "labse reads 70 tokens of a sentence, as it is told here; by itself it reads 24" in caplog.text


# Bad input


def broken(source: Path, root: Path) -> Path:
    return Path(shutil.copytree(source, root / source.name))


DENSE, POOLED = "2_Dense/config.json", "1_Pooling/config.json"


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        (DENSE, {"in_features": 31}, r"config.json: in_features: found 31, but the vectors before it have 32 numbers"),
        (DENSE, {"in_features": "x"}, r"2_Dense/config.json: in_features: found 'x', expected a width"),
        (DENSE, {"out_features": 7}, r"model.safetensors: found tensors .*\(32, 32\).*, expected .*\(7, 32\)"),
        (DENSE, {"bias": False}, r"2_Dense/model.safetensors: found tensors .*linear.bias.*, expected"),
        (DENSE, {"activation_function": "evil.Act"}, r"found 'evil.Act', code of its own, which is never run"),
        (POOLED, {"pooling_mode": ["cls", "mean"]}, r"in_features: found 32, but the vectors before it have 64"),
        (POOLED, {"pooling_mode": "median"}, r"asks for pooling \['median'\]; expected one or more of cls, max"),
    ],
)
def test_a_dense_layer_that_does_not_fit_is_named(file: str, values: dict, message: str, models: Path, tmp_path: Path):
    folder = broken(models / "labse", tmp_path)
    change(folder / file, **values)
    with pytest.raises(InputError, match=message):
        vectors_of(folder)


@pytest.mark.parametrize("name", ["labse", "static-dense"])
def test_a_dense_layer_whose_weights_are_missing_damaged_or_a_pickle(name: str, models: Path, tmp_path: Path):
    folder = broken(models / name, tmp_path)
    dense = next(module.folder for module in read_layout(folder).modules if module.kind == "Dense")
    weights = load_file(dense / "model.safetensors")
    weights["linear.weight"][0, 0] = torch.nan
    save_file(weights, dense / "model.safetensors")
    with pytest.raises(InputError, match=r"model.safetensors: has a NaN or an infinity"):
        vectors_of(folder)
    (dense / "model.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match=r"model.safetensors: no weights \("):
        vectors_of(folder)
    (dense / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"_Dense: holds no weights; expected model.safetensors"):
        vectors_of(folder)
    torch.save(weights, dense / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"_Dense: holds only pytorch_model.bin, a pickle, which is never loaded"):
        vectors_of(folder)


@pytest.mark.parametrize("name", ["word-embeddings", "convolution"])
def test_the_library_loads_no_pickle(name: str, models: Path, tmp_path: Path):
    folder = broken(models / name, tmp_path)
    path = next(path for path in (*folder.glob("*_*/model.safetensors"), folder / "model.safetensors") if path.exists())
    torch.save(load_file(path), path.with_name("pytorch_model.bin"))
    path.unlink()
    with pytest.raises(
        UserError, match=r"pytorch_model.bin: a pickle, which is never loaded; expected model.safetensors"
    ):
        vectors_of(folder)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "sentence_transformers.models.NoSuchThing",
            r"it has a module NoSuchThing, and sentence-transformers can't load it",
        ),
        ("evil.Transformer", r"modules.json: asks for code of its own \(evil.Transformer\), which is never run"),
        ("sentence_transformers_evil.Dense", r"modules.json: asks for code of its own"),
    ],
)
def test_an_unknown_module_is_one_line(kind: str, message: str, models: Path, tmp_path: Path):
    folder = broken(models / "labse", tmp_path)
    modules = json.loads((folder / "modules.json").read_text())
    modules[2]["type"] = kind
    write_json(folder / "modules.json", modules)
    with pytest.raises(UserError, match=message) as error:
        vectors_of(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("installed", [None, "5.1.0"])
def test_without_the_library_or_with_an_old_one_a_line_says_what_to_install(
    installed: str | None, models: Path, monkeypatch: pytest.MonkeyPatch
):
    from importlib.metadata import PackageNotFoundError

    def version(name: str) -> str:
        if installed is None:
            raise PackageNotFoundError(name)
        return installed

    monkeypatch.setattr("pipeline.encoders.library.version", version)
    expected = (
        r"^convolution: it has a module CNN; only sentence-transformers can compute that, found (none|5.1.0); `pip"
    )
    with pytest.raises(UserError, match=expected):
        vectors_of(models / "convolution")
    assert vectors_of(models / "labse").shape == (len(TEXTS), 32)  # what we compute needs none


def test_the_library_s_models_have_their_own_pooling_and_no_layers_to_take(models: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"^pooling: found 'cls', but residual is computed by sentence-transformers"):
        vectors_of(models / "residual", pooling="cls")
    tokenizer = load_tokenizer(models / "labse", "", MAX_LENGTH)
    with pytest.raises(
        InputError, match=r"use_residual: .*; expected a transformer with a pooling, whose layers can be had"
    ):
        build_student(Student(kind="teacher"), tokenizer, models / "residual", 1)
    with pytest.raises(UserError, match=r"student.lora: "):
        student = Student(kind="pretrained", model="m", lora=Lora())
        build_student(student, load_tokenizer(models / "residual", "", 16), models / "residual", 1)


def test_a_student_without_anything_to_train_is_one_line(models: Path):
    tokenizer = load_tokenizer(models / "word-embeddings", "", 16)
    with pytest.raises(
        UserError, match=r"^student.model: word-embeddings has no weights that are trained; expected another model"
    ):
        build_student(Student(kind="pretrained", model="m"), tokenizer, models / "word-embeddings", 1)


@pytest.mark.parametrize("path", ["../other", "/etc", "a/../../b", "C:\\x"])
def test_a_module_s_path_stays_in_the_folder(path: str, models: Path, tmp_path: Path):
    folder = broken(models / "labse", tmp_path)
    modules = json.loads((folder / "modules.json").read_text())
    modules[2]["path"] = path
    write_json(folder / "modules.json", modules)
    with pytest.raises(InputError, match=r"modules.json: path: found .*, expected a folder inside the model's own"):
        read_layout(folder)


def test_a_pooling_whose_configuration_is_lost(models: Path, tmp_path: Path):
    folder = broken(models / "cls", tmp_path)
    shutil.rmtree(folder / "1_Pooling")
    with pytest.raises(InputError, match=r"modules.json: lists a Pooling whose folder has no config.json"):
        vectors_of(folder)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"mapping": torch.full((400,), 99)}, r"mapping: expected the number of one of \d+ rows for each token"),
        ({"mapping": torch.zeros(400)}, r"mapping: expected the number of one of"),
        ({"weights": torch.ones(3)}, r"weights: found shape \(3,\), expected one for each of"),
        ({"other": torch.ones(3)}, r"has a tensor 'other' besides 'embeddings'"),
    ],
)
def test_model2vec_s_tensors_that_do_not_fit(tensors: dict, message: str, models: Path, tmp_path: Path):
    folder = broken(models / "model2vec", tmp_path)
    weight = load_file(folder / "model.safetensors")["embeddings"]
    save_file({"embeddings": weight[:50].contiguous(), **tensors}, folder / "model.safetensors")
    with pytest.raises(InputError, match=message):
        vectors_of(folder)


def test_an_adapter_alone_is_refused(tmp_path: Path):
    folder = make_transformer(tmp_path / "m")
    write_json(folder / "adapter_config.json", {"base_model_name_or_path": "someone/else"})
    with pytest.raises(
        InputError, match=r"adapter_config.json: an adapter's configuration: expected a model of its own"
    ):
        vectors_of(folder)


def test_a_model_that_compares_by_dot_products_is_told_of(
    models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    for name, said in (
        ("cls", True),
        ("labse", False),
    ):  # the second ends with Normalize: its dot product is the cosine
        folder = broken(models / name, tmp_path)
        change(folder / "config_sentence_transformers.json", similarity_fn_name="dot")
        caplog.clear()
        vectors_of(folder)
        assert ("cls compares vectors by dot; here they are normalised" in caplog.text) == said


# Text as bytes


@pytest.mark.parametrize("text", ["", "Aé", "水 🙂\t\n", "[BYTES] [UNK]", "e\u0301\u200b"])
def test_text_travels_as_bytes_and_back(text: str, models: Path):
    tokenizer = TextTokenizer(byte_tokenizer(), "p: ", 4, special_tokens=True)
    batch = tokenizer([text, "x"])
    assert batch.tokens[: batch.lengths[0]].tolist() == list(f"p: {text}".encode())
    model = load_model(models / "residual", EncoderSettings(prefix="p: "))
    assert isinstance(model, LibraryModel)
    assert model.texts(batch) == [text, "x"]


def test_the_sha256_of_a_params_file_is_that_of_the_weights_wherever_they_lie(models: Path):
    with pytest.raises(UserError, match=r"has SHA-256 [0-9a-f]{64}, expected 00"):
        resolve_model("teacher.model", str(models / "distiluse"), None, models, sha256="00")


def test_a_static_model_has_no_use_for_a_mean_of_cut_vectors(models: Path):
    model = load_model(models / "static-inside", EncoderSettings())
    assert isinstance(model, StaticModel)
    assert (tuple(model.weight.shape)[1], model.dimension) == (12, 12)
    assert len(OWN) > 20
    assert load_encoder(
        resolve_model("m", str(models / "static-inside"), None, models), EncoderSettings()
    ).encode_tokens(TokenBatch.from_lists([[7]])).shape == (1, 12)
