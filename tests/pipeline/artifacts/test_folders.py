"""Rows and keys of a folder of shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts.folders import TextFolder
from pipeline.console.errors import ArtifactError
from pipeline.ground.hashing import as_keys, text_key


@pytest.fixture
def folder(tmp_path: Path, write_sentences) -> Path:
    write_sentences(tmp_path / "texts", [f"sentence {number}" for number in range(300)], 16)
    return tmp_path / "texts"


def test_few_keys_are_found_without_holding_all(folder: Path):
    texts, whole = TextFolder(folder), TextFolder(folder)
    assert len(texts.shards) > 8
    assert len(texts) == len(whole.keys) == 300
    wanted = as_keys(text_key(f"sentence {number}") for number in (7, 299, 7, 41))
    rows = texts.rows_of(wanted)
    assert "keys" not in vars(texts)
    np.testing.assert_array_equal(rows, whole.rows_of(wanted))
    np.testing.assert_array_equal(texts.keys_of(rows), wanted)
    assert texts.rows_of(wanted[:0]).shape == (0,)
    for absent in (b"\0" * 15 + b"\1", b"\xff" * 16, text_key("no such sentence")):
        with pytest.raises(ArtifactError, match="1 of 2 sentences are not here"):
            texts.rows_of(as_keys([absent, wanted[0]]))
    assert "keys" not in vars(texts)
    np.testing.assert_array_equal(texts.rows_of(whole.keys), np.arange(300))


def test_folders_of_the_same_keys(folder: Path, tmp_path: Path, write_sentences):
    write_sentences(tmp_path / "other", [f"sentence {number}" for number in range(300)], 64)
    write_sentences(tmp_path / "fewer", [f"sentence {number}" for number in range(299)], 16)
    texts = TextFolder(folder)
    assert texts.has_keys_of(TextFolder(folder))
    assert "keys" not in vars(texts)
    assert texts.has_keys_of(TextFolder(tmp_path / "other"))
    assert not texts.has_keys_of(TextFolder(tmp_path / "fewer"))
