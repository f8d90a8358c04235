"""The rules for a user's own text: what is mined, scored and planted passes them, and what doesn't is counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from small import make_transformer, sentence

from pipeline.config.mine import Mine
from pipeline.console.errors import InputError, UserError
from pipeline.encoders.described import ModelOptions, open_model
from pipeline.mining.files.mine import Judges, mine_files
from pipeline.mining.files.outputs import PairOutputs
from pipeline.mining.files.score import score_files
from pipeline.mining.files.text import TextInput
from pipeline.text.rules import OFF

EN = [sentence(number) for number in range(0, 300, 7)]
FR = [f"{line.upper()} €" for line in EN]
"""Nearly the vectors of their sentences, and no copies: a symbol stays in the normal form."""


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory):
    folder = make_transformer(tmp_path_factory.mktemp("models") / "tiny")
    return open_model(ModelOptions(str(folder)), folder.parent)


def sides(folder: Path, a: list[str], b: list[str], languages: tuple[str, str] = ("en", "fr")):
    found = []
    for option, name, lines, language in zip(("--src", "--trg"), "ab", (a, b), languages, strict=True):
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        found.append(TextInput(option, str(folder / name), language, pair=languages))
    (folder / "work").mkdir(exist_ok=True)
    return found[0], found[1]


def pairs_of(path: Path) -> set[tuple[str, str]]:
    table = pq.read_table(path)
    return set(zip(table.column("text_a").to_pylist(), table.column("text_b").to_pylist(), strict=True))


@pytest.mark.parametrize("options", [{}, {"search": "exact"}, {"search": "approximate", "index": "IVF1,Flat"}])
def test_untranslated_sentences_and_numbers_are_not_mined(tmp_path: Path, encoder, options: dict[str, str]):
    numbers = [str(n) for n in range(1000, 1010)]
    inputs = sides(tmp_path, EN + numbers, FR + EN[:20] + numbers)
    outputs = PairOutputs((tmp_path / "p.parquet",))
    result = mine_files(inputs, encoder, Mine(**options), outputs, tmp_path / "work")
    found = pairs_of(tmp_path / "p.parquet")
    assert len(set(zip(EN, FR, strict=True)) & found) >= 15  # the model is untrained
    assert not any(a.lower() == b.lower() for a, b in found)
    assert result.a.text.broken == result.b.text.broken == {"letters": 10}
    assert (result.left_out.copies_a, result.left_out.copies_b) == (20, 20)
    kept = mine_files(inputs, encoder, Mine(keep=list(OFF), **options), outputs, tmp_path / "work")
    assert len({(line, line) for line in EN[:20]} & pairs_of(tmp_path / "p.parquet")) >= 10
    assert (kept.a.text.broken, kept.left_out.copies_a) == ({}, 0)
    assert result.control is not None


def test_within_documents_too(tmp_path: Path, encoder):
    inputs = sides(tmp_path, EN[:20] * 2, FR[:20] + EN[:20])
    documents = sides_of_documents(tmp_path, [str(n // 4) for n in range(40)])
    outputs, options = PairOutputs((tmp_path / "p.parquet",)), Mine(within="document")
    mine_files(inputs, encoder, options, outputs, tmp_path / "work", judges=Judges(documents=documents))
    found = pairs_of(tmp_path / "p.parquet")
    assert set(zip(EN[:20], FR[:20], strict=True)) <= found
    assert not any(a == b for a, b in found)


def sides_of_documents(folder: Path, names: list[str]):
    (folder / "documents").write_text("".join(f"{name}\n" for name in names))
    return tuple(TextInput("--documents", str(folder / "documents"), language, "text") for language in ("en", "fr"))


def test_known_copies_are_not_planted(tmp_path: Path, encoder):
    inputs = sides(tmp_path, EN, FR)
    known = [f"{sentence(n)}\t{sentence(n).upper()} €\n" for n in range(1000, 1200, 7)]
    copies = [f"{sentence(n)}\t{sentence(n).upper()}\n" for n in range(2000, 2100, 7)]
    (tmp_path / "known.tsv").write_text("".join(known + copies), encoding="utf-8")
    both = tuple(
        TextInput("--known", str(tmp_path / "known.tsv"), side.language, column=column)
        for side, column in zip(inputs, (0, 1), strict=True)
    )
    outputs = PairOutputs((tmp_path / "p.parquet",))
    result = mine_files(inputs, encoder, Mine(), outputs, tmp_path / "work", judges=Judges(known=both))
    assert (result.estimate.known, result.known_left_out) == (len(known), len(copies))


def test_gold_pairs_that_break_a_rule_are_named(tmp_path: Path, encoder):
    inputs = sides(
        tmp_path,
        [f"en-{n:09d}\t{line}" for n, line in enumerate([*EN, "page 12 of 13"])],
        [f"fr-{n:09d}\t{line}" for n, line in enumerate([*FR[1:], EN[0], "PAGE 14 de 15"])],
    )
    gold = [f"en-{n:09d}\tfr-{n - 1:09d}\n" for n in range(1, len(EN))]
    gold += [f"en-000000000\tfr-{len(EN) - 1:09d}\n", f"en-{len(EN):09d}\tfr-{len(EN):09d}\n"]
    (tmp_path / "gold").write_text("".join(gold))
    outputs = PairOutputs((tmp_path / "p.parquet",))
    result = mine_files(inputs, encoder, Mine(), outputs, tmp_path / "work", judges=Judges(gold=tmp_path / "gold"))
    assert result.left_out.gold == {"copy": 1, "numbers": 1}


def test_lines_that_break_a_rule_have_no_score(tmp_path: Path, encoder):
    a = [*EN[:30], EN[30], "page 12 of 13", "1999", "", "see www.a.b"]
    b = [*FR[:30], EN[30].upper(), "PAGE 14 DE 15", "1999", "x y", "see this"]
    rules = [None] * 30 + ["copy", "numbers", "copy", "empty", "urls"]
    inputs, outputs = sides(tmp_path, a, b), PairOutputs((tmp_path / "s.tsv", tmp_path / "s.parquet"))
    result = score_files(inputs, encoder, Mine(), outputs, tmp_path / "work")
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.column("rule").to_pylist() == rules
    assert np.isnan(table.column("score").to_numpy()).tolist() == [rule is not None for rule in rules]
    assert table.column("text_a").to_pylist() == a
    assert (result.lines.same, result.lines.exchanged) == (2, None)
    assert result.left_out.broken == {"copy": 2, "numbers": 1, "urls": 1}
    score_files(inputs, encoder, Mine(keep=list(OFF)), outputs, tmp_path / "work")
    kept = pq.read_table(tmp_path / "s.parquet").column("score").to_numpy()
    assert np.isnan(kept).tolist() == [line == "" for line in a]
    # The copy took no place of its neighbourhood: without it on the other side all means are as they are.
    fewer = sides(tmp_path, [line for line in a if line != EN[30]], [line for line in b if line != EN[30].upper()])
    means = table.column("mean_a").to_numpy()[:30]
    assert means[0] < 1
    assert score_files(fewer, encoder, Mine(), outputs, tmp_path / "work").lines.same == 1


def test_sides_that_look_exchanged_are_counted_where_scripts_differ(tmp_path: Path, encoder):
    inputs = sides(
        tmp_path, [*EN[:20], "вода вода", "вода lamp"], ["вода"] * 20 + ["river stone", "вода"], ("en", "ru")
    )
    result = score_files(inputs, encoder, Mine(), PairOutputs((tmp_path / "s.tsv",)), tmp_path / "work")
    assert result.lines.exchanged == 1


def test_a_bitext_of_copies_is_an_error(tmp_path: Path, encoder):
    inputs = sides(tmp_path, EN, EN)
    with pytest.raises(InputError, match=r"no line can be scored \(43 copy\); --keep spares text a rule"):
        score_files(inputs, encoder, Mine(), PairOutputs((tmp_path / "s.tsv",)), tmp_path / "work")
    inputs = sides(tmp_path, ["1", "2"], ["1", "2"])
    with pytest.raises(InputError, match=r"no sentence passes the rules \(2 too-short\)"):
        mine_files(inputs, encoder, Mine(), PairOutputs((tmp_path / "s.tsv",)), tmp_path / "work")


TMX = (
    '<?xml version="1.0" encoding="UTF-8"?><tmx version="1.4"><header srclang="en" datatype="plaintext" segtype="sentence" '
    'adminlang="en" creationtool="x" creationtoolversion="1" o-tmf="x"/><body>{}</body></tmx>'
)
UNIT = '<tu><tuv xml:lang="{}"><seg>{}</seg></tuv><tuv xml:lang="{}"><seg>{}</seg></tuv></tu>'
XLIFF = (
    '<xliff xmlns="urn:oasis:names:tc:xliff:document:1.2" version="1.2"><file original="f" source-language="en" '
    'target-language="fr" datatype="plaintext"><body>{}</body></file></xliff>'
)
TRANS = '<trans-unit id="{}"><source>{}</source><target>{}</target></trans-unit>'
PO = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\nLanguage: fr\\n"\n\n{}'
PAIRS = list(zip(EN[:25], FR[:25], strict=True))
MEMORIES = {
    "m.tmx": TMX.format(
        "".join(
            UNIT.format("fr", b, "en", a) if n % 2 else UNIT.format("en", a, "fr", b) for n, (a, b) in enumerate(PAIRS)
        )
    ),
    "m.xlf": XLIFF.format("".join(TRANS.format(n, a, b) for n, (a, b) in enumerate(PAIRS))),
    "m.po": PO.format("".join(f'msgid "{a}"\nmsgstr "{b}"\n\n' for a, b in PAIRS)),
}


def memory(folder: Path, name: str, languages: tuple[str, str] = ("en", "fr")):
    (folder / name).write_text(MEMORIES[name], encoding="utf-8")
    (folder / "work").mkdir(exist_ok=True)
    path = str(folder / name)
    return tuple(
        TextInput(option, path, language, pair=languages)
        for option, language in zip(("--src", "--trg"), languages, strict=True)
    )


@pytest.mark.parametrize("name", MEMORIES)
def test_memories_and_catalogues_are_scored_as_pairs(tmp_path: Path, encoder, name: str):
    inputs = memory(tmp_path, name)
    score_files(inputs, encoder, Mine(), PairOutputs((tmp_path / "s.parquet",)), tmp_path / "work")
    table = pq.read_table(tmp_path / "s.parquet")
    sides_ = zip(table.column("text_a").to_pylist(), table.column("text_b").to_pylist(), strict=True)
    assert list(sides_) == PAIRS
    assert np.isfinite(table.column("score").to_numpy()).all()
    mine_files(inputs, encoder, Mine(), PairOutputs((tmp_path / "p.parquet",)), tmp_path / "work")
    assert len(pairs_of(tmp_path / "p.parquet") & set(PAIRS)) > 20


def test_a_memory_is_given_for_both_sides_and_with_its_languages(tmp_path: Path, encoder):
    one, other = memory(tmp_path, "m.tmx")
    text = sides(tmp_path, EN, FR)[1]
    outputs = PairOutputs((tmp_path / "s.tsv",))
    with pytest.raises(UserError, match=r"m\.tmx is tmx, which holds both sides; expected the same file for the other"):
        score_files((one, text), encoder, Mine(), outputs, tmp_path / "work")
    same = TextInput("--trg", other.path, "en", pair=("en", "en"))
    with pytest.raises(UserError, match="give two different --languages, found en,en"):
        score_files((one, same), encoder, Mine(), outputs, tmp_path / "work")
