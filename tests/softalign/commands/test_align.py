"""`softalign align` as a user runs it: documents, folders, lists, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from corpus_reading import ask, read
from typer.testing import CliRunner

from pipeline.aligning.ladder import read_ladder
from pipeline.encoders.load import save_encoder
from pipeline.encoders.model import StaticModel
from pipeline.encoders.tokenization import TextTokenizer, train_tokenizer
from softalign.app import app

run = CliRunner()


WORDS = [f"{one}{two}{three}" for one in "bdgk" for two in "aeiou" for three in ("lor", "min", "sat", "ven", "zup")]
DRAWN = np.random.default_rng(0)


def made_up() -> str:
    """A sentence of words that are drawn."""
    return " ".join(DRAWN.choice(WORDS, 8).tolist())


def translated(line: str) -> str:
    """The same words in another order: the model, a mean of words, sees the same."""
    return " ".join(reversed(line.split()))


LINES = [made_up() for _ in range(31)]
OTHERS = [translated(line) for line in LINES]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "words"
    tokenizer = TextTokenizer(train_tokenizer(iter([" ".join(WORDS)] * 50), 400), "", 512, special_tokens=False)
    weight = torch.randn(tokenizer.backend.get_vocab_size(), 64, generator=torch.Generator().manual_seed(1))
    folder.mkdir()
    save_encoder(StaticModel(weight), tokenizer, folder)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, lines: list[str]) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Path(path)


def align(model: Path, *words: object) -> tuple[int, str, str]:
    done = run.invoke(app, ["align", "--model", str(model), *(str(word) for word in words)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_two_documents_to_every_form(here: Path, model: Path):
    # Two sentences were translated as one.
    write("a.en", LINES)
    joined = list(OTHERS)
    joined[4:6] = [f"{joined[4]} {joined[5]}"]
    write("b.fr", [joined[0], "", *joined[1:]])
    code, out, err = align(
        model, "--src", "a.en", "--trg", "b.fr", "--out", "p.parquet", "--out", "p.tsv", "--out", "p.tmx",
        "--moses", "p", "--ladder", "p.ladder",
    )  # fmt: skip
    assert code == 0, err
    assert f"pairs\t{len(LINES) - 1} found, {len(LINES) - 1} written" in out
    assert "lines without text\t1" in out
    assert "2-1\t1" in out
    ladder = read_ladder(Path("p.ladder"))
    assert ladder[:2] == [((0,), (0,)), ((1,), (2,))]  # numbers are those of lines; the empty one is in no list
    assert ((4, 5), (5,)) in ladder
    table = pq.read_table("p.parquet").to_pylist()
    two = next(row for row in table if row["sentences_a"] == 2)
    assert (two["text_a"], two["text_b"]) == (f"{LINES[4]} {LINES[5]}", joined[4])
    assert (two["file_a"], two["line_a"], two["line_b"], two["sentences_b"]) == ("a.en", 5, 6, 1)
    assert two["score"] > 0.9
    rows = [line.split("\t") for line in Path("p.tsv").read_text().splitlines()]
    assert [row[1:] for row in rows] == [[row["text_a"], row["text_b"]] for row in table]
    assert [float(row[0]) for row in rows] == pytest.approx([row["score"] for row in table], abs=1e-5)
    assert Path("p.en").read_text().splitlines() == [row["text_a"] for row in table]
    assert Path("p.tmx").read_text().count("<tu>") == len(table)
    assert [path.name for path in here.iterdir() if path.name.startswith(".")] == []


def test_the_same_input_gives_the_same_bytes(here: Path, model: Path):
    write("a.en", LINES)
    write("b.fr", OTHERS)
    contents = []
    for _ in range(2):
        align(model, "--src", "a.en", "--trg", "b.fr", "--out", "p.parquet", "--ladder", "p.ladder")
        contents.append(Path("p.parquet").read_bytes() + Path("p.ladder").read_bytes())
    assert contents[0] == contents[1]


def test_folders_of_documents(here: Path, model: Path):
    for name in ("one", "sub/two"):
        write(f"en/{name}.en.txt", LINES[:8])
        write(f"fr/{name}.fr.txt", OTHERS[:8])
    code, out, err = align(model, "--src", "en", "--trg", "fr", "--out", "p.parquet", "--ladder", "ladders")
    assert code == 0, err
    assert "documents\t2 pairs" in out
    assert pq.read_table("p.parquet").column("document").unique().to_pylist() == ["one.txt", "sub/two.txt"]
    assert len(read_ladder(Path("ladders/sub/two.txt.ladder"))) == 8


def test_a_list_of_documents(here: Path, model: Path):
    write("x/a.en", LINES[:8])
    write("x/b.fr", OTHERS[:8])
    write("x/list.tsv", ["a.en\tb.fr"])
    code, out, err = align(model, "--pairs", "x/list.tsv", "--out", "p.tsv")
    assert code == 0, err
    assert "pairs\t8 found, 8 written" in out


def test_what_is_aligned_is_training_text(here: Path, model: Path):
    write("a.en", LINES)
    write("b.fr", [line if number % 2 else made_up() for number, line in enumerate(OTHERS)])
    align(model, "--src", "a.en", "--trg", "b.fr", "--out", "p.parquet", "--out", "p.tsv")
    scores = pq.read_table("p.parquet").column("score").to_pylist()
    by_form = {"parquet": ((("en", "text_a"), ("fr", "text_b")), "score"), "tsv": ((("en", 1), ("fr", 2)), 0)}
    for form, (columns, score) in by_form.items():
        request = ask(here, f"p.{form}", "en-fr", columns=columns, score=score, min_score=0.9)
        rows = read(form, request)
        assert [row["reason"] for row in rows] == [None if found >= 0.9 else "low-score" for found in scores]


def test_a_threshold_keeps_the_ladder_whole(here: Path, model: Path):
    write("a.en", LINES)
    write("b.fr", [line if number % 2 else made_up() for number, line in enumerate(OTHERS)])
    words = (
        "--src",
        "a.en",
        "--trg",
        "b.fr",
        "--out",
        "p.parquet",
        "--moses",
        "p",
        "--ladder",
        "l",
        "--threshold",
        0.9,
    )
    code, _out, err = align(model, *words)
    assert code == 0, err
    table = pq.read_table("p.parquet")
    assert 0 < len(table) < len([rung for rung in read_ladder(Path("l")) if rung[0] and rung[1]])
    assert min(table.column("score").to_pylist()) >= 0.9
    assert len(Path("p.fr").read_text().splitlines()) == len(table)


def test_gold(here: Path, model: Path):
    write("a.en", LINES[:4])
    write("b.fr", OTHERS[:4])
    write("gold", ["[0]:[0]", "[1]:[1]", "[2, 3]:[2, 3]"])
    code, out, err = align(model, "--src", "a.en", "--trg", "b.fr", "--out", "p.tsv", "--gold", "gold")
    assert code == 0, err
    assert "strict\t0.5000\t0.6667\t0.5714" in out
    assert "lax\t1.0000\t1.0000\t1.0000" in out


@pytest.mark.parametrize(
    ("files", "words", "expected"),
    [
        ({"a.en": [], "b.fr": LINES}, "--src a.en --trg b.fr", "a.en and b.fr: no sentences on one side"),
        ({"a.en": ["", " "], "b.fr": LINES}, "--src a.en --trg b.fr", "no sentences on one side"),
        ({"b.fr": LINES}, "--src a.en --trg b.fr", "a.en: no such file"),
        ({"a.en": LINES}, "--src a.en --trg a.en --languages en,fr", "en and fr are both a.en"),
        ({"a.en": LINES}, "--src a.en --trg a.en", "is to be aligned with itself"),
        ({"a.en": LINES, "b.fr": LINES}, "--src b.fr --trg a.en --languages en,fr", "its name says fr"),
        ({"en/1": LINES, "fr/2": LINES}, "--src en --trg fr", "has no counterpart of this name"),
        ({"en/1": LINES, "fr/2": LINES}, "--src en --trg fr --allow-missing", "have no document of the same name"),
        ({"en/1": LINES, "b.fr": LINES}, "--src en --trg b.fr", "en is a folder and b.fr is a file"),
        ({"en/1.gz": LINES, "en/1": LINES, "fr/1": LINES}, "--src en --trg fr", "a second document named 1"),
        ({"en/x.fr": LINES, "fr/x.en": LINES}, "--src en --trg fr", "has no counterpart"),
        ({"l": ["a.en"]}, "--pairs l", "l:1: found 'a.en'; expected two paths with a tab between them"),
        ({"l": []}, "--pairs l", "l: is empty"),
        ({"l": ["a.en\tb.fr"], "a.en": LINES}, "--pairs l", "l:1: b.fr: no such file"),
        ({"l": ["a\tb"] * 2, "a": LINES, "b": LINES}, "--pairs l", "l:2: a and b stand here a second time"),
        (
            {"l": ["a.en\tb.fr", "b.fr\ta.en"], "a.en": LINES, "b.fr": LINES},
            "--pairs l",
            "b.fr is given for en, but its name says fr",
        ),
        ({"l": []}, "--pairs l --src l", "give it, or --src and --trg"),
        ({}, "", "nothing to align"),
        ({"a": LINES, "b": LINES}, "--src a --trg b --moses m", "--languages: --moses needs them"),
        ({"a": LINES, "b": LINES}, "--src a --trg b --split", "--split needs the languages"),
        ({"a.en": LINES, "b.fr": LINES, "g": ["x"]}, "--src a.en --trg b.fr --gold g", "g:1: found 'x'; expected lists"),
    ],
)  # fmt: skip
def test_what_is_refused_in_one_line(here: Path, model: Path, files: dict[str, list[str]], words: str, expected: str):
    for name, lines in files.items():
        write(name, lines)
    code, _, err = align(model, *words.split(), "--out", "p.tsv")
    assert code != 0
    last = err.strip().splitlines()[-1]
    assert expected in last
    assert not Path("p.tsv").exists()


def test_no_output_is_refused(here: Path, model: Path):
    write("a.en", LINES), write("b.fr", LINES)
    assert "nothing to write" in align(model, "--src", "a.en", "--trg", "b.fr")[2]
    assert "is an input" in align(model, "--src", "a.en", "--trg", "b.fr", "--ladder", "a.en")[2]
    assert (
        "expected one of .ids, .parquet, .tmx, .tsv"
        in align(model, "--src", "a.en", "--trg", "b.fr", "--out", "p.xml")[2]
    )


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (LINES, LINES, "1 pairs of documents have the same text on both sides (the first: a.en and b.fr)"),
        (LINES, OTHERS[::-1], "hardly more alike than with one side backwards: are they translations in order?"),
        (LINES, OTHERS[:3], "over 3 times as many sentences as their counterpart (the first: a.en, 31 against 3)"),
        ([*LINES, "x" * 1_000_000], OTHERS, "of which the model sees the first ones (the first: a.en:32)"),
        ([*LINES, "x" * 2_000_000], OTHERS, "1 lines can't be read (the first: a.en:32: line-too-long, over 1,048,576"),
    ],
)
def test_what_is_aligned_and_said(
    here: Path, model: Path, a: list[str], b: list[str], said: str, caplog: pytest.LogCaptureFixture
):
    write("a.en", a)
    write("b.fr", b)
    code, _out, err = align(model, "--src", "a.en", "--trg", "b.fr", "--out", "p.tsv")
    assert code == 0, err
    assert said in caplog.text
    # How sentences that are no translations fall together depends on the model: of these only that they are written.
    least = 1 if b == OTHERS[::-1] else min(len(a), len(b)) - 1
    assert Path("p.tsv").read_text().count("\n") >= least


def test_documents_without_sentences_and_without_counterparts_are_counted(
    here: Path, model: Path, caplog: pytest.LogCaptureFixture
):
    write("en/1", LINES), write("en/2", []), write("en/3", LINES)
    write("fr/1", OTHERS), write("fr/2", OTHERS)
    code, out, err = align(model, "--src", "en", "--trg", "fr", "--out", "p.tsv", "--allow-missing")
    assert code == 0, err
    assert "documents\t1 pairs" in out
    assert "pairs left out, without sentences on a side\t1" in out
    assert "documents left out, without counterpart\t1" in out
    assert "1 documents have no sentences, and their pairs are left out (the first: en/2)" in caplog.text


def test_paragraphs_are_split(here: Path, model: Path):
    pytest.importorskip("sentencex")
    text = [f"{line.capitalize()}." for line in LINES[:9]]
    write("a.en", [" ".join(text[:4]), "", " ".join(text[4:])])
    write("b.fr", [f"{line.capitalize()}." for line in OTHERS[:9]])
    code, out, err = align(model, "--src", "a.en", "--trg", "b.fr", "--split", "--out", "p.parquet", "--ladder", "l")
    assert code == 0, err
    assert "pairs\t9 found" in out
    assert pq.read_table("p.parquet").column("line_a").to_pylist() == [1] * 4 + [3] * 5
    assert read_ladder(Path("l")) == [((number,), (number,)) for number in range(9)]
    assert Path("l.en").read_text().splitlines() == text
