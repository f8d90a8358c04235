"""An encoder's identity told without loading it, beside the one that loading finds."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from st_layouts import LAYOUTS, build

from pipeline.encoders import identity
from pipeline.encoders.identity import EncoderSettings, identity_without_loading
from pipeline.encoders.load import load_encoder
from pipeline.encoders.resolve import ModelFolder, resolve_model
from pipeline.store.local import VectorStore, stored_identity

SETTINGS = EncoderSettings(prefix="query: ", max_length=16)
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="only torch knows the GPU")


def source_of(folder: Path) -> ModelFolder:
    return resolve_model("teacher.model", str(folder), None, folder.parent)


@no_gpu
@pytest.mark.parametrize("name", LAYOUTS)
def test_it_is_what_loading_finds_for_every_layout(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(identity, "GPU_DRIVERS", ())
    source = source_of(build(tmp_path / name, name))
    loaded = load_encoder(source, SETTINGS).identity
    assert {**(identity_without_loading(source, SETTINGS) or {}), "dimension": loaded["dimension"]} == loaded


@no_gpu
@pytest.mark.parametrize(
    "other",
    [
        {"prefix": ""},
        {"max_length": 8},
        {"pooling": "cls"},
        {"dtype": "bfloat16"},
    ],
    ids=str,
)
def test_a_store_knows_it_by_all_that_vectors_depend_on(
    other: dict[str, str], tiny_teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(identity, "GPU_DRIVERS", ())
    source = source_of(tiny_teacher)
    encoder = load_encoder(source, SETTINGS)
    VectorStore(tmp_path, encoder.identity, encoder.dimension)

    def known(settings: EncoderSettings) -> object:
        told = identity_without_loading(source, settings)
        assert told is not None
        return stored_identity(tmp_path, told)

    assert known(SETTINGS) == encoder.identity
    assert known(replace(SETTINGS, **other)) is None
    monkeypatch.setattr(identity, "version", lambda _: "0.0")
    assert known(SETTINGS) is None


def test_where_a_gpu_may_be_it_is_not_told(tiny_teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "driver").touch()
    monkeypatch.setattr(identity, "GPU_DRIVERS", (str(tmp_path / "none"), str(tmp_path / "driver")))
    assert identity_without_loading(source_of(tiny_teacher), SETTINGS) is None


def test_a_damaged_identity_in_a_store_is_no_other_encoder_s(tmp_path: Path):
    told = {"model": "a", "device": "cpu"}
    folder = VectorStore(tmp_path, {**told, "dimension": 4}, 4).folder
    assert stored_identity(tmp_path, told) == {**told, "dimension": 4}
    for text in ("", "[]", '{"device":"cpu","dimension":5,"model":"a"}'):
        (folder / "identity.json").write_text(text)
        assert stored_identity(tmp_path, told) is None


def test_telling_it_imports_no_torch():
    code = "import sys, pipeline.encoders.identity, pipeline.embedding.embed; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
