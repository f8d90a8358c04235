"""Folders of documents as a corpus: aligned by a stage of their own, read by prepare, with a threshold and rejects."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

from pipeline.aligning.outputs import ALIGNED
from pipeline.artifacts.parquet import sealed_metadata
from pipeline.encoders.load import save_encoder
from pipeline.encoders.model import StaticModel
from pipeline.encoders.tokenization import TextTokenizer, train_tokenizer
from pipeline.ground.file_checksum import seal
from softalign.app import app

run = CliRunner()
WORDS = [f"{one}{two}{three}" for one in "bdgk" for two in "aeiou" for three in ("lor", "min", "sat", "ven", "zup")]
DRAWN = np.random.default_rng(0)
LINES = [" ".join(DRAWN.choice(WORDS, 8).tolist()) for _ in range(20)]
OTHERS = [" ".join(reversed(line.split())) for line in LINES]  # the same to a mean of words
STRANGE = " ".join(DRAWN.choice(WORDS, 8).tolist())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "words"
    tokenizer = TextTokenizer(train_tokenizer(iter([" ".join(WORDS)] * 50), 400), "", 512, special_tokens=False)
    weight = torch.randn(tokenizer.backend.get_vocab_size(), 64, generator=torch.Generator().manual_seed(1))
    folder.mkdir()
    save_encoder(StaticModel(weight), tokenizer, folder)
    return folder


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def params(root: Path, model: Path, languages: tuple[str, str] = ("fr", "en"), **corpus: Any) -> None:
    entry = {"name": "books", "format": "documents", "files": {"fr": "books/fr", "en": "books/en"}}
    entry |= {"align": {"model": str(model)}} | corpus
    clean = {"max_length_ratio": 0, "min_number_overlap": 0, "copies": False}
    content = {
        "languages": list(languages),
        "pairs": ["-".join(languages)],
        "prepare": {"corpora": [entry], "clean": clean, "heldout": {"share": 0}},
        "teacher": {"model": "hub/name"},
    }
    (root / "params.yaml").write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOFTALIGN_STORE", raising=False)
    for name in ("one", "two"):
        half = slice(0, 10) if name == "one" else slice(10, 20)
        write(tmp_path / "books" / "fr" / f"{name}.txt", OTHERS[half])
        write(tmp_path / "books" / "en" / f"{name}.txt", LINES[half])
    return tmp_path


def stage(name: str, project: object = ".") -> tuple[int, str]:
    done = run.invoke(app, [name, "--project", str(project)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.parametrize("languages", [("fr", "en"), ("en", "fr")])
def test_documents_become_training_pairs_and_rejects(root: Path, model: Path, languages: tuple[str, str]):
    write(root / "books/fr/one.txt", [*OTHERS[:4], STRANGE, *OTHERS[5:10]])
    params(root, model, languages, min_score=0.8)
    assert stage("align") == (0, "")
    found = json.loads((root / "metrics/align.json").read_text())["books"]
    assert (found["documents"], found["missing"], found["sentences"], found["pairs"]) == (2, 0, [20, 20], 20)
    assert stage("prepare")[0] == 0
    account = json.loads((root / "metrics/prepare.json").read_text())["corpora"]["books"]
    assert (account["read"], account["kept"], account["rejected"]) == (20, 19, {"low-score": 1})
    (reject,) = pl.read_csv(root / "data/rejects/books.tsv.zst", separator="\t").to_dicts()
    texts = {"fr": STRANGE, "en": LINES[4]}
    assert (reject["a"], reject["b"]) == (texts[languages[0]], texts[languages[1]])
    assert (reject["file"], reject["line"]) == (f"books/{languages[0]}/one.txt", 5)


def test_what_is_aligned_is_the_same_from_anywhere(root: Path, model: Path, monkeypatch: pytest.MonkeyPatch):
    params(root, model)
    contents = []
    for folder, project in ((root, "."), (root.parent, root.name), (root.parent, root)):
        monkeypatch.chdir(folder)
        assert stage("align", project) == (0, "")
        contents.append((root / "data/aligned/books.parquet").read_bytes())
    assert contents[0] == contents[1] == contents[2]
    assert sorted(path.name for path in (root / "data/aligned").iterdir()) == ["books.parquet"]


def test_the_alignments_of_a_corpus_that_is_no_more_go(root: Path, model: Path):
    params(root, model, name="tales")
    assert stage("align")[0] == 0
    params(root, model)
    assert stage("align")[0] == 0
    assert [path.name for path in (root / "data/aligned").iterdir()] == ["books.parquet"]


def test_a_document_that_one_side_lacks(root: Path, model: Path):
    (root / "books/en/two.txt").unlink()
    params(root, model)
    code, said = stage("align")
    assert code != 0
    assert "books/fr/two.txt: has no counterpart of this name in books/en" in said
    assert "align.allow_missing: true" in said
    params(root, model, align={"model": str(model), "allow_missing": True})
    assert stage("align")[0] == 0
    assert json.loads((root / "metrics/align.json").read_text())["books"]["missing"] == 1


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        ({}, "prepare", "data/aligned/books.parquet: no such file; the documents of books are aligned by a stage"),
        ({"format": "moses", "align": None}, "align", "no corpus has format documents; there is nothing to align"),
        ({"align": None}, "align", "prepare.corpora.0.align: found None"),
        ({"files": {"fr": "books/fr"}}, "align", "format 'documents' needs 'files', with the documents of two languages"),
        ({"score": "x", "min_score": 1}, "align", "prepare.corpora.0.score: unknown key (it is one of arrow, parquet, tsv)"),
        ({"format": "moses"}, "align", "prepare.corpora.0.align: unknown key (it is one of documents)"),
        ({"files": {"fr": "books/en", "en": "books/fr"}}, "prepare", "books/en is given for fr"),
        ({"files": {"fr": "none", "en": "books/en"}}, "align", "books/en is a folder and none is a file"),
        ({"align": {"model": "no/where"}}, "align", "prepare.corpora: books: align.model"),
        ({"align": {"model": "x", "prefix": "", "prompt_name": "q"}}, "align", "give 'prefix' or 'prompt_name', not both"),
    ],
)  # fmt: skip
def test_what_is_refused_in_one_line(
    root: Path, model: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], name: str, said: str
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    params(root, model, **change)
    if name == "prepare" and change:
        write_aligned(root, ["fr", "en"])
    code, output = stage(name)
    assert code != 0
    assert said in output


def write_aligned(root: Path, languages: list[str], kind: str = "aligned") -> Path:
    made_by = {"kind": kind, "languages": languages}
    (root / "data/aligned").mkdir(parents=True, exist_ok=True)
    path = root / "data/aligned/books.parquet"
    pq.write_table(ALIGNED.empty_table().replace_schema_metadata(sealed_metadata(made_by)), path)
    seal(path)
    return path


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[8] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("languages", "kind", "change", "said"),
    [
        (["de", "en"], "aligned", None, 'its languages is ["de", "en"], expected ["fr", "en"]; run its stage again'),
        (["fr", "en"], "mined", None, 'its kind is "mined", expected "aligned"; run its stage again'),
        (["fr", "en"], "aligned", damaged, "data/aligned/books.parquet"),
        (["fr", "en"], "aligned", lambda path: path.write_bytes(b"x"), "not a readable Parquet file"),
    ],
)
def test_an_aligned_file_that_is_none(
    root: Path, model: Path, languages: list[str], kind: str, change: Callable[[Path], None] | None, said: str
):
    params(root, model)
    path = write_aligned(root, languages, kind)
    if change is not None:
        change(path)
    code, output = stage("prepare")
    assert code != 0
    assert said in output


def test_the_stage_and_the_command_are_not_mixed(root: Path, model: Path):
    params(root, model)
    done = run.invoke(app, ["align", "--project", ".", "--model", str(model)])
    assert done.exit_code != 0
    assert "--project aligns the documents of params.yaml and --model is for others" in done.output
    assert "nothing to align: give --model, --src, --trg and --out" in run.invoke(app, ["align"]).output
    assert "--model is missing" in run.invoke(app, ["align", "--src", "a", "--trg", "b"]).output
