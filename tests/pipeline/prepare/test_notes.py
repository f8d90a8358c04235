"""What prepare says of corpora and pairs of which nothing, or little, is left; and that nothing at all is an error."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard

from pipeline.config.params import check_params
from pipeline.console.errors import UserError
from pipeline.prepare.hubs import FEWEST
from pipeline.prepare.prepare import PrepareOutputs, dry_run, prepare

FOLDERS = ("sentences", "pairs", "monolingual", "heldout", "rejects")
GOOD = [
    (f"an English sentence, the {word} one", f"une phrase française, la {word}") for word in ("ab", "cd", "ef", "gh")
]


def lines(path: Path, rows: list[tuple[str, ...]]) -> None:
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


def corpus(name: str = "c", **more) -> dict:
    return {"name": name, "format": "tsv", "path": f"{name}.tsv", "languages": ["en", "fr"], "heldout": False, **more}


def params(corpora: list[dict], languages=("en", "fr"), pairs=("en-fr",), **settings):
    sections = {"corpora": corpora, **settings}
    return check_params({"languages": [*languages], "pairs": [*pairs], "prepare": sections, "teacher": {"model": "x"}})


def notes(root: Path, config) -> list[str]:
    return prepare(config, root, PrepareOutputs(*(root / "data" / folder for folder in FOLDERS)))["notes"]


def test_nothing_is_said_where_all_is_well(tmp_path):
    lines(tmp_path / "c.tsv", GOOD)
    assert notes(tmp_path, params([corpus()])) == []


def test_nothing_kept_is_an_error_that_says_why(tmp_path):
    lines(tmp_path / "c.tsv", [(en, "это предложение") for en, _ in GOOD])
    config = params([corpus()])
    why = r"no pair is kept.*: c: en-fr: nothing is kept: 4 of 4 are left out as script \(the first: c\.tsv:1 fr\)"
    with pytest.raises(UserError, match=why):
        notes(tmp_path, config)
    assert not (tmp_path / "data").exists() or not any((tmp_path / "data").iterdir())
    assert dry_run(config, tmp_path, 2)["notes"][0].startswith("c: en-fr: nothing is kept: 2 of 2")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(en, en) for en, _ in GOOD * 2], "copy"),
        ([(en, "__NULL__") for en, _ in GOOD * 2], "missing-side"),
        ([GOOD[0]] * 8, "duplicate"),
        ([("an", fr) for _, fr in GOOD * 2], "length-ratio"),
    ],
)
def test_a_corpus_that_loses_more_than_half_to_one_rule(tmp_path, rows, said):
    lines(tmp_path / "c.tsv", GOOD + rows)
    (note,) = notes(tmp_path, params([corpus()]))
    assert note.startswith(f"c: en-fr: only 4 are kept: 8 of 12 are left out as {said} (the first: c.tsv:5")
    lines(tmp_path / "c.tsv", GOOD + rows[:4])
    assert notes(tmp_path, params([corpus()])) == []


def test_one_corpus_and_one_pair_of_several(tmp_path):
    lines(tmp_path / "c.tsv", [(*row, "это") for row in GOOD])
    lines(tmp_path / "d.tsv", [(en, en) for en, _ in GOOD])
    three = corpus(languages=["en", "fr", "ja"])
    assert notes(tmp_path, params([three, corpus("d")], ("en", "fr", "ja"), ("en-fr", "en-ja"))) == [
        "c: en-ja: nothing is kept: 4 of 4 are left out as script (the first: c.tsv:1 ja)",
        "d: en-fr: nothing is kept: 4 of 4 are left out as copy (the first: d.tsv:1)",
        "en-ja: no training pair is kept",
    ]


def test_a_corpus_that_gives_nothing_names_its_own_languages(tmp_path):
    lines(tmp_path / "c.tsv", GOOD)
    unit = "".join(f'<tuv xml:lang="{code}"><seg>a sentence in {code}</seg></tuv>' for code in ("en", "nn"))
    (tmp_path / "t.tmx").write_text(f'<tmx version="1.4"><body><tu>{unit}</tu></body></tmx>')
    (tmp_path / "e.tmx").write_text('<tmx version="1.4"><body></body></tmx>')
    memories = [{"name": name, "format": "tmx", "path": f"{name}.tmx", "heldout": False} for name in ("t", "e")]
    said = notes(tmp_path, params([corpus(), *memories], ("en", "fr", "nb"), ("en-fr", "en-nb")))
    assert said[1].startswith("t: en-nb: nothing is kept: 1 of 1 are left out as missing-side (the first: t.tmx:1")
    assert said[1].endswith("found nn; did you mean nb? then give the corpus 'rename: {nn: nb}'")
    assert said[2].startswith("e: nothing in en-fr-nb was read from it (e.tmx)")
    assert said[3:] == ["en-nb: no training pair is kept"]


def test_text_to_be_mined(tmp_path):
    lines(tmp_path / "c.tsv", GOOD)
    (tmp_path / "t").write_text("1 2 3\n__NULL__\n4 5 6\n")
    text = [{"name": "t", "language": "fr", "path": "t"}]
    assert notes(tmp_path, params([corpus()], text=text)) == [
        "t: fr: nothing is kept: 2 of 3 are left out as letters (the first: t:1 fr)"
    ]


def test_a_sentence_opposite_very_many_others(tmp_path):
    filler = [(f"{en} {word}", "à traduire plus tard") for word in ("x", "y", "z") for en, _ in GOOD]
    lines(tmp_path / "c.tsv", GOOD + filler[: FEWEST - 1])
    assert notes(tmp_path, params([corpus()])) == []
    lines(tmp_path / "c.tsv", GOOD + filler[:FEWEST] + filler[:FEWEST])
    (note,) = [note for note in notes(tmp_path, params([corpus()])) if "opposite" in note]
    assert note.startswith(f"en-fr: 'à traduire plus tard' (fr) stands opposite {FEWEST} different sentences; if it")


@pytest.mark.parametrize("memory", [1 << 20, 256 << 20])
def test_hubs_do_not_depend_on_memory_or_held_out_documents(tmp_path, memory):
    rows = [
        (f"sentence {'abcdefgh'[n % 8]}{'klmnopqr'[n // 8 % 8]} {n}", f"rien de tout cela {n}") for n in range(3_000)
    ]
    rows += [(f"{en} again", f"encore rien {len(en)}") for en, _ in rows[:1]] + [
        (f"{en} x", "rien") for en, _ in rows[:120]
    ]
    lines(tmp_path / "c.tsv", rows)
    clean = {"min_number_overlap": 0.0, "max_length_ratio": 0.0}
    config = params([corpus(heldout=True)], clean=clean, memory_bytes=memory, heldout={"share": 0.2, "near": 0})
    (note,) = notes(tmp_path, config)
    assert note.startswith("en-fr: 'rien' (fr) stands opposite 120 different sentences")


def test_what_is_not_known_or_not_met_is_said(tmp_path):
    lines(tmp_path / "c.tsv", [(en, "چیراغ میزین اوستونده " + en[-6]) for en, _ in GOOD])
    (tmp_path / "b.jsonl").write_text('{"text": "a benchmark"}\n{broken\n')
    config = params(
        [corpus(languages=["en", "azb"], rename={"az": "azb"})],
        ("en", "azb"),
        ("en-azb",),
        clean={"length_ratios": {"en-fr": 3.0}, "min_number_overlap": 0.0},
        decontaminate={"benchmarks": [{"name": "b", "path": "b.jsonl", "format": "jsonl", "columns": ["text"]}]},
    )
    assert [note.partition(";")[0] for note in notes(tmp_path, config)] == [
        "c: rename: no file, column or text of it calls a language az",
        "prepare.clean.length_ratios: en-fr is none of the pairs en-azb, so it says nothing",
        "benchmark b: 1 of its rows can't be read, and their sentences are not looked for",
        "azb: its script isn't known here, so prepare.clean.min_script says nothing of it (a code with the script, such as "
        "azb-Latn, does)",
    ]


def test_a_pair_without_held_out_documents(tmp_path):
    lines(tmp_path / "c.tsv", GOOD)
    (note,) = notes(tmp_path, params([corpus(heldout=True)], heldout={"share": 0.01}))
    assert note == (
        "en-fr: no pair is held out for dev and test (prepare.heldout.share is 0.01): nothing tunes the threshold or chooses "
        "the student, nothing is measured"
    )


@pytest.mark.parametrize("place", ["a", "b"])
def test_rejects_stand_where_the_side_to_blame_does(tmp_path, place):
    sides = {"a": ["good text here", "русский текст"], "b": ["texte français", "texte français aussi"]}
    if place == "b":
        sides = {"a": ["good text here", "good text again"], "b": ["texte français", "русский текст"]}
    (tmp_path / "x.en").write_text("\n".join(["", *sides["a"]]) + "\n", encoding="utf-8")
    (tmp_path / "x.fr").write_text("\n".join(["", *sides["b"]]) + "\n", encoding="utf-8")
    config = params([{"name": "c", "format": "moses", "path": "x.{lang}", "heldout": False}])
    metrics = prepare(config, tmp_path, PrepareOutputs(*(tmp_path / "data" / folder for folder in FOLDERS)))
    assert metrics["corpora"]["c"]["rejected"] == {"empty": 1, "script": 1}
    with zstandard.ZstdDecompressor().stream_reader(
        (tmp_path / "data/rejects/c.tsv.zst").read_bytes(), read_across_frames=True
    ) as reader:
        rows = [line.split("\t")[:5] for line in reader.read().decode().splitlines()[1:]]
    name, language = ("x.en", "en") if place == "a" else ("x.fr", "fr")
    assert rows == [["x.en", "1", "en-fr", "empty", "en"], [name, "3", "en-fr", "script", language]]


def test_a_benchmarks_sentence_is_rejected_where_it_stands(tmp_path):
    (tmp_path / "x.en").write_text("a sentence of the benchmark\nanother good sentence\nsome other text here\n")
    (tmp_path / "x.fr").write_text("une phrase française\nphrase de référence\nencore du texte\n")
    (tmp_path / "b").write_text("A sentence of the benchmark.\nPhrase de référence!\n")
    decontaminate = {"benchmarks": [{"name": "b", "path": "b"}]}
    config = params(
        [{"name": "c", "format": "moses", "path": "x.{lang}", "heldout": False}], decontaminate=decontaminate
    )
    prepare(config, tmp_path, PrepareOutputs(*(tmp_path / "data" / folder for folder in FOLDERS)))
    packed = (tmp_path / "data" / "rejects" / "c.tsv.zst").read_bytes()
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
        rows = [line.split("\t")[:5] for line in reader.read().decode().splitlines()[1:]]
    assert sorted(rows) == [["x.en", "1", "en-fr", "benchmark", "b"], ["x.fr", "2", "en-fr", "benchmark", "b"]]
