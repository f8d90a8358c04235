"""Mining, scoring and BUCC's files as a user runs them, without a pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from small import make_transformer, sentence
from typer.testing import CliRunner

from softalign.app import app

run = CliRunner()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_transformer(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two texts, as the current one."""
    monkeypatch.chdir(tmp_path)
    lines = [sentence(number) for number in range(0, 200, 5)]
    Path("a.en").write_text("".join(f"{line}\n" for line in lines))
    Path("b.fr").write_text("".join(f"{line.upper()}\n" for line in reversed(lines)))
    Path("aligned.fr").write_text("".join(f"{line.upper()}\n" for line in lines))
    return tmp_path


def softalign(*words: object) -> tuple[int, list[str], str]:
    """Run a command; a translation here is its sentence in capitals, which is a copy."""
    if {"mine", "score"} & {words[0]} and "--src" in words and "--keep" not in words:
        words = (*words, "--keep", "copy")
    done = run.invoke(app, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout.splitlines(), done.stderr


def test_mine(here: Path, model: Path):
    code, lines, _ = softalign(
        *("mine", "--model", model, "--src", "a.en", "--trg", "b.fr", "--out", "p.parquet", "--out", "p.tsv"),
        *("--moses", "mined", "--memory", "64M"),
    )
    assert code == 0
    assert "a.en (en)\t40 rows, 40 different sentences" in lines
    assert "search\tfaiss, exact, of_b.factory Flat, of_a.factory Flat" in lines
    table = pq.read_table("p.parquet")
    assert f"pairs\t{len(table)} found, {len(table)} written" in lines
    assert table.column("file_a")[0].as_py() == "a.en"
    assert len(Path("p.tsv").read_text().splitlines()) == len(table)
    assert len(Path("mined.en").read_text().splitlines()) == len(Path("mined.fr").read_text().splitlines())
    assert sorted(path.name for path in here.iterdir() if path.name.startswith(".")) == []  # nothing is left behind


def test_inspect_shows_what_mine_wrote(here: Path, model: Path):
    softalign("mine", "--model", model, "--src", "a.en", "--trg", "b.fr", "--out", "p.parquet", "--threshold", 1.0)
    code, lines, _ = softalign("inspect", "p.parquet")
    assert code == 0
    assert "what\tmined pairs" in lines
    assert "made by: threshold\t1" in lines


def test_vectors_are_kept_and_used_again(here: Path, model: Path):
    words = ("mine", "--model", model, "--src", "a.en", "--trg", "b.fr", "--out", "p.parquet", "--vectors", "v")
    softalign(*words)
    first = Path("p.parquet").read_bytes()
    assert "a.en (en)\t40 rows, 40 different sentences, vectors used again" in softalign(*words)[1]
    assert Path("p.parquet").read_bytes() == first


def test_score(here: Path, model: Path):
    words = ("score", "--model", model, "--src", "a.en", "--trg", "aligned.fr")
    code, lines, _ = softalign(*words, "--out", "s.tsv")
    assert code == 0
    assert "pairs\t40 found, 40 written" in lines
    rows = [line.split("\t") for line in Path("s.tsv").read_text().splitlines()]
    assert [row[1] for row in rows] == Path("a.en").read_text().splitlines()
    middle = sorted(float(row[0]) for row in rows)[20]
    softalign(*words, "--moses", "kept", "--min-score", middle)
    kept = Path("kept.en").read_text().splitlines()
    assert 0 < len(kept) < 40
    assert kept == [row[1] for row in rows if row[1] in kept]


def test_bucc_from_parallel_text_to_a_frozen_threshold(here: Path, model: Path):
    code, lines, _ = softalign(
        "bucc", "make", "--src", "a.en", "--trg", "aligned.fr", "--out", "s", "--gold-share", 0.5
    )
    assert code == 0
    assert "s/en-fr.training\t13\t14\t7" in lines
    mined = ("mine", "--model", model, "--src", "s/en-fr.training.en", "--trg", "s/en-fr.training.fr")
    code, tuned, _ = softalign(*mined, "--out", "t.parquet", "--gold", "s/en-fr.training.gold", "--tune-gold")
    assert code == 0
    code, measured, _ = softalign(
        "bucc", "evaluate", "--gold", "s/en-fr.training.gold", "--pairs", "t.parquet", "--tune"
    )
    assert code == 0
    f1 = [line for line in tuned if line.startswith("F1\t")]
    assert f1[0].split("\t")[1] == next(line for line in measured if line.startswith("F1\t")).split("\t")[1]
    threshold = next(line for line in tuned if line.startswith("threshold\t")).split("\t")[1]
    made_by = json.loads(pq.read_schema("t.parquet").metadata[b"softalign"])
    assert f"{made_by['threshold']:.6f}" == threshold


def test_known_pairs_histogram_and_false_pairs_are_shown(here: Path, model: Path):
    Path("known.tsv").write_text(
        "".join(f"{sentence(number)}\t{sentence(number).upper()}\n" for number in range(1, 200, 5))
    )
    words = ("mine", "--model", model, "--src", "a.en", "--trg", "b.fr", "--out", "p.parquet")
    code, lines, _ = softalign(*words, "--known", "known.tsv")
    assert code == 0
    facts = dict(line.split("\t", 1) for line in lines if "\t" in line)
    assert facts["known pairs"].startswith("40 used, 0 left out; threshold ")
    assert " of the 20 planted on both sides come back" in facts["known pairs"]
    assert "accepted sentences mined again without their partners" in facts["false pairs"]
    place = lines.index("## scores of all pairs found")
    bins = [line.split("\t") for line in lines[place + 2 : -1]]
    assert sum(int(row[1]) for row in bins) == int(facts["pairs"].split()[0])
    assert sum("<- threshold" in row[2] for row in bins) == 1
    code, lines, _ = softalign(
        *("score", "--model", model, "--src", "a.en", "--trg", "aligned.fr", "--out", "s.tsv", "--min-score", 1.0),
        *("--known", "known.tsv", "--known-column", "0,1"),
    )
    assert code == 0
    assert any(line.endswith("lines shifted against each other") for line in lines)
    assert len(Path("s.tsv").read_text().splitlines()) <= 40


def test_documents(here: Path, model: Path):
    Path("a.docs").write_text("".join(f"d{number % 4}\n" for number in range(40)))
    Path("b.docs").write_text("".join(f"d{(39 - number) % 4}\n" for number in range(40)))
    words = ("mine", "--model", model, *FILES, "--out", "p.parquet", "--documents", "a.docs,b.docs")
    code, lines, _ = softalign(*words)
    assert code == 0
    assert any(line.startswith("search\texact, within document") for line in lines)
    rows = pq.read_table("p.parquet").to_pylist()
    assert rows
    assert all(row["row_a"] % 4 == (39 - row["row_b"]) % 4 for row in rows)
    code, lines, _ = softalign(*words, "--within", "corpus")
    assert code == 0
    assert "search\tfaiss, exact, of_b.factory Flat, of_a.factory Flat" in lines


FILES = ("--src", "a.en", "--trg", "b.fr")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mine",), "nothing to mine: give --pair (the stage), or --model, --src, --trg and --out"),
        (("mine", "--src", "a.en"), "--trg is missing"),
        (("mine", *FILES), "--model is missing"),
        (("mine", "--pair", "en-fr", *FILES), "--pair runs the stage of a project and --src mines files; give one or"),
        (("mine", "--model", "m", *FILES, "--project", "."), "--project runs the stage of a project and --model mines"),
        (("mine", "--model", "m", *FILES), "--out: nothing to write; give --out FILE or --moses PREFIX"),
        (("mine", "--model", "m", *FILES, "--out", "p.doc"), "--out: p.doc: found suffix '.doc', expected one of"),
        (("mine", "--model", "m", *FILES, "--moses", "a"), "--out: a.en is the input of --src; give another name"),
        (("mine", "--model", "./m", *FILES, "--out", "p.tsv"), "--model: './m' is no folder here"),
        (("mine", "--model", "m", "--src", "x", "--trg", "b.fr", "--out", "p.tsv"), "x: no such file"),
        (("mine", "--model", "m", *FILES, "--out", "p.tsv", "--memory", "3X"), "--memory: found '3X', expected a size"),
        (("mine", "--model", "m", *FILES, "--out", "p.tsv", "--recall", "3"), "--recall: found 3.0; input should be"),
        (("mine", "--model", "m", *FILES, "--out", "p.tsv", "--tune-gold"), "--tune-gold needs --gold"),
        (
            ("mine", "--model", "m", *FILES, "--out", "p.tsv", "--languages", "en"),
            "--languages: found 'en', expected two",
        ),
        (
            ("mine", "--model", "m", *FILES, "--out", "p.tsv", "--languages", "en,q"),
            "--languages: 'q' is not a language",
        ),
        (("mine", "--model", "m", *FILES, "--out", "p.tsv", "--encoding", "x"), "--encoding: 'x' is not an encoding"),
        (
            ("mine", "--model", "m", *FILES, "--out", "p.tsv", "--column", "a,b,c"),
            "--column: found 'a,b,c', expected one",
        ),
        (("mine", "--pair", "en-fr"), "params.yaml"),
        (
            ("mine", "--model", "m", *FILES, "--out", "p.tsv", "--known", "b.fr"),
            "--known: b.fr is text; give --known-col",
        ),
        (("mine", "--model", "m", *FILES, "--out", "p.tsv", "--known", "k"), "--known: k is text; give --known-column"),
        (("mine", "--model", "m", *FILES, "--out", "p.tsv", "--known", "k.tsv"), "k.tsv: no such file"),
        (("mine", "--model", "m", *FILES, "--out", "p.tsv", "--known-column", "0,1"), "--known-column needs --known"),
        (("mine", "--model", "m", *FILES, "--out", "p.tsv", "--window", "2"), "--within window needs --documents"),
        (("mine", "--model", "m", *FILES, "--out", "p.tsv", "--within", "window"), "--within window needs --window"),
        (
            ("mine", "--model", "m", *FILES, "--out", "p.tsv", "--documents", "doc"),
            "a.en is text, which has no columns",
        ),
        (
            ("mine", "--model", "m", *FILES, "--out", "p.tsv", "--within", "document", "--window", "1"),
            "--window and --within document",
        ),
        (("score", "--model", "m", *FILES), "--out: nothing to write"),
        (("bucc", "evaluate", "--gold", "g", "--pairs", "p", "--src", "a.en"), "--src and --trg: give both or neither"),
        (("bucc", "evaluate", "--gold", "g", "--pairs", "p"), "p: no such file"),
        (("bucc", "make", *FILES, "--out", "s", "--languages", "en,en"), "--languages: found en,en; expected two"),
    ],
)
def test_what_is_wrong_is_one_line(here: Path, words: tuple[str, ...], message: str):
    code, lines, error = softalign(*words)
    assert code in (1, 2)
    assert lines == []
    assert error.startswith("softalign: error: ")
    assert message in error
    assert error.count("\n") == 1


def test_rules_are_counted_and_kept_on_request(here: Path, model: Path):
    words = ("mine", "--model", model, "--src", "a.en", "--trg", "b.fr", "--out", "p.tsv")
    _, lines, error = softalign(*words, "--keep", "letters")
    assert "same text on both sides\t40 sentences of a.en, 40 of b.fr; not paired with each other" in lines
    assert error == ""
    _, lines, _ = softalign(*words, "--keep", "all")
    assert not [line for line in lines if line.startswith("same text")]
    code, _, error = softalign(*words, "--keep", "copies")
    assert code == 1
    assert error.startswith("softalign: error: --keep: found 'copies'; expected one of ")
    assert "copy, " in error


def test_a_terminal_without_unicode_ends_nothing(here: Path, model: Path):
    Path("a.en").rename("日.en")
    words = ("mine", "--model", model, "--src", "日.en", "--trg", "b.fr", "--out", "p.tsv", "--keep", "copy")
    for charset in ("ascii", "cp1252"):
        done = CliRunner(charset=charset).invoke(app, [str(word) for word in words])
        assert (done.exit_code, b"\\u65e5.en (en)\t40 rows" in done.stdout_bytes) == (0, True)
