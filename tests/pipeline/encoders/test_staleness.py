"""Everything that a vector depends on changes its encoder's identity, so that the store misses."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from small import sentence

from pipeline.encoders.load import EncoderSettings, ModelEncoder, load_encoder
from pipeline.encoders.resolve import resolve_model
from pipeline.ground.hashing import as_keys, text_key
from pipeline.store.local import VectorStore

SETTINGS = EncoderSettings(pooling="mean", max_length=16)
TEXTS = [sentence(number) for number in range(5)]
KEYS = as_keys(sorted(text_key(text) for text in TEXTS))


@pytest.fixture
def model(tiny_teacher: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_teacher, tmp_path / "model"))


def encoder(model: Path, settings: EncoderSettings = SETTINGS) -> ModelEncoder:
    return load_encoder(resolve_model("teacher.model", str(model), None, model), settings, torch.device("cpu"))


def stored(root: Path, of: ModelEncoder) -> int:
    """How many of the texts a store has of an encoder; those that lack are added."""
    store = VectorStore(root, of.identity, of.dimension)
    _, found = store.lookup(KEYS)
    store.add(KEYS[~found], np.ones((int((~found).sum()), of.dimension), np.float16))
    return int(found.sum())


def weights_in_place(model: Path) -> None:
    tensors = load_file(model / "model.safetensors")
    name = next(name for name in tensors if name.endswith("word_embeddings.weight"))
    tensors[name][7, 3] += 1e-3
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})


def edit_json(model: Path, name: str, edit: Callable[[dict], object]) -> None:
    content = json.loads((model / name).read_text(encoding="utf-8"))
    edit(content)
    (model / name).write_text(json.dumps(content), encoding="utf-8")


FILES: dict[str, Callable[[Path], object]] = {
    "weights": weights_in_place,
    "a layer's configuration": lambda model: edit_json(
        model, "config.json", lambda config: config.update(layer_norm_eps=1e-5)
    ),
    "the pooling's configuration": lambda model: edit_json(
        model, "1_Pooling/config.json", lambda config: config.update(word_embedding_dimension=31)
    ),
    "the tokenizer": lambda model: edit_json(
        model, "tokenizer.json", lambda content: content["normalizer"]["normalizers"].pop()
    ),
}


@pytest.mark.parametrize("changed", FILES)
def test_a_file_changed_in_place_under_the_same_name_and_time(model: Path, tmp_path: Path, changed: str):
    store = tmp_path / "store"
    assert (stored(store, encoder(model)), stored(store, encoder(model))) == (0, len(TEXTS))
    times = {path: path.stat() for path in model.rglob("*") if path.is_file()}
    FILES[changed](model)
    for path, about in times.items():
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert stored(store, encoder(model)) == 0


@pytest.mark.parametrize(
    "change", [{"prefix": "query: "}, {"pooling": "cls"}, {"max_length": 8}, {"dtype": "bfloat16"}]
)
def test_a_setting(model: Path, tmp_path: Path, change: dict):
    store = tmp_path / "store"
    assert (stored(store, encoder(model)), stored(store, encoder(model))) == (0, len(TEXTS))
    assert stored(store, encoder(model, replace(SETTINGS, **change))) == 0


@pytest.mark.parametrize(
    "name",
    [
        "pipeline.encoders.identity.ENCODER_VERSION",
        "torch.__version__",
        "transformers.__version__",
        "tokenizers.__version__",
    ],
)
def test_a_version(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    store = tmp_path / "store"
    assert (stored(store, encoder(model)), stored(store, encoder(model))) == (0, len(TEXTS))
    monkeypatch.setattr(name, "99.0.0")
    assert stored(store, encoder(model)) == 0


def test_the_same_model_in_another_place_is_the_same(model: Path, tmp_path: Path):
    assert stored(tmp_path / "store", encoder(model)) == 0
    moved = tmp_path / "elsewhere" / "model"
    shutil.copytree(model, moved)
    assert stored(tmp_path / "store", encoder(moved)) == len(TEXTS)


def test_what_only_costs_memory_or_time_is_no_other_encoder(model: Path, tmp_path: Path):
    assert stored(tmp_path / "store", encoder(model)) == 0
    assert stored(tmp_path / "store", encoder(model, replace(SETTINGS, batch_tokens=64))) == len(TEXTS)


def test_the_identity_names_every_setting(model: Path):
    """The prefix and the length are in the tokenizer's hash, too; but what made a vector has to be read in words."""
    settings = EncoderSettings(pooling="cls", prefix="query: ", max_length=9, dtype="bfloat16")
    identity = encoder(model, settings).identity
    named = {name: identity[name] for name in ("pooling", "prefix", "max_length", "dtype", "normalised", "dimension")}
    expected = {"pooling": "cls", "prefix": "query: ", "max_length": 9, "dtype": "bfloat16"}
    assert named == {**expected, "normalised": True, "dimension": 32}


@pytest.mark.parametrize("change", [{"prefix": "query: "}, {"max_length": 8}])
def test_tokens_of_another_prefix_or_length_are_of_another_tokenizer(model: Path, change: dict):
    """Stage tokenize's token ids carry this hash, by which stage teach refuses those of other settings."""
    other = encoder(model, replace(SETTINGS, **change))
    assert other.tokenizer.content != encoder(model).tokenizer.content
