from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts.folders import TextFolder
from pipeline.console.errors import InputError
from pipeline.exporting.sample import SIZE, sample_of_file, sample_of_folders, sample_of_vocabulary
from pipeline.exporting.source import open_source
from pipeline.ground.hashing import as_keys, text_key


def test_lines_of_a_file(tmp_path: Path):
    path = tmp_path / "text"
    path.write_text("one\n\n two \n" + "three\n" * SIZE, encoding="utf-8")
    sample = sample_of_file(path)
    assert sample.texts[:3] == ["one", "two", "three"]
    assert len(sample.texts) == SIZE


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such file"), (b"one\n\none\n", "found 1 different lines"), (b"\xff\n", "not UTF-8")],
)
def test_files_of_no_use(content: bytes | None, said: str, tmp_path: Path):
    path = tmp_path / "text"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        sample_of_file(path)


def test_every_language_of_a_project_has_its_share(write_sentences, tmp_path: Path):
    for language in ("en", "fr"):
        write_sentences(tmp_path / language, [f"{language} {number}" for number in range(1000)])
    sample = sample_of_folders([tmp_path / "en", tmp_path / "fr", tmp_path / "none"])
    assert sample is not None
    assert len(set(sample.texts)) == SIZE
    assert sum(text.startswith("en") for text in sample.texts) == SIZE // 2


def test_no_text_no_sample(tmp_path: Path):
    assert sample_of_folders([tmp_path / "none"]) is None


def test_of_a_vocabulary_is_the_same_each_time(static_student: Path):
    tokenizer = open_source(static_student).encoder.tokenizer
    sample = sample_of_vocabulary(tokenizer)
    assert sample == sample_of_vocabulary(tokenizer)
    assert len(set(sample.texts)) > SIZE // 2


def test_sentences_are_evenly_spaced_over_the_keys(write_sentences, tmp_path: Path):
    write_sentences(tmp_path / "en", [f"en {number}" for number in range(1025)])
    sample = sample_of_folders([tmp_path / "en"])
    assert sample is not None
    rows = TextFolder(tmp_path / "en").rows_of(as_keys(text_key(text) for text in sample.texts))
    assert (rows[0], rows[-1]) == (0, 1024)
    assert set(np.diff(rows).tolist()) == {2, 3}
