import io
import json
from pathlib import Path

import polars as pl
import pytest
import zstandard

from pipeline.artifacts.shards import open_folder
from pipeline.config.params import check_params
from pipeline.console.errors import ParamsError, UserError
from pipeline.ground.hashing import pair_key, text_key
from pipeline.prepare.prepare import PrepareOutputs, dry_run, prepare

FOLDERS = ("sentences", "pairs", "monolingual", "heldout", "rejects")


def params(corpora, languages=("en", "fr"), pairs=("en-fr",), **settings):
    settings.setdefault("clean", {"min_number_overlap": 0.0, "min_letters": 0.0})
    return check_params(
        {
            "languages": list(languages),
            "pairs": list(pairs),
            "prepare": {"corpora": corpora, **settings},
            "teacher": {"model": "x"},
        }
    )


def run(root, config, name="data"):
    out = PrepareOutputs(*(root / name / folder for folder in FOLDERS))
    metrics = prepare(config, root, out)
    for account in metrics["corpora"].values():
        assert account["read"] == account["kept"] + account["heldout"] + sum(account["rejected"].values())
        assert "spill" not in {path.name for path in out.rejects.iterdir()}
    return metrics, out


def table(folder):
    return pl.concat([pl.from_arrow(shard.table) for shard in open_folder(folder)])


def rejects(out, name):
    data = (out.rejects / f"{name}.tsv.zst").read_bytes()
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        lines = io.TextIOWrapper(reader, encoding="utf-8", newline="\n").read().split("\n")
    assert lines[0] == "file\tline\tlanguages\treason\tdetail\ta\tb"
    return [tuple(line.split("\t")) for line in lines[1:-1]]


def write_tsv(path, rows):
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


def tsv(name, **more):
    return {"name": name, "format": "tsv", "path": f"{name}.tsv", "languages": ["en", "fr"], "heldout": False, **more}


def test_what_is_kept_and_where_it_stood(tmp_path):
    write_tsv(
        tmp_path / "x.tsv",
        [
            ("Hello  world", "Bonjour le monde"),
            ("Hello world", "Bonjour le monde"),
            ("hello WORLD!", "Bonjour le monde."),
            ("same text", "Same text."),
            ("only one",),
            ("back\\slash", "a\u2028b c"),
            ("x", "trop court"),
        ],
    )
    write_tsv(tmp_path / "y.tsv", [("Hello world", "Bonjour le monde"), ("Hello world", "Salut le monde")])
    metrics, out = run(tmp_path, params([tsv("x"), tsv("y")], max_bad_share=0.5))
    assert metrics["corpora"]["x"] == {
        "read": 7,
        "kept": 2,
        "heldout": 0,
        "rejected": {"copy": 1, "duplicate": 1, "duplicate-normalized": 1, "missing-column": 1, "too-short": 1},
    }
    assert metrics["corpora"]["y"] == {"read": 2, "kept": 1, "heldout": 0, "rejected": {"duplicate": 1}}
    assert metrics["pairs"] == {"en-fr": 3}
    assert metrics["sentences"] == {"en": 2, "fr": 3}
    pairs = table(out.pairs / "en-fr")
    hello, bonjour = text_key("Hello world"), text_key("Bonjour le monde")
    first = pairs.filter(pl.col("id") == pair_key(hello, bonjour)).row(0, named=True)
    assert (first["a"], first["b"], first["corpus"], first["file"], first["line"]) == (hello, bonjour, "x", "x.tsv", 1)
    assert pairs["id"].is_sorted()
    assert sorted(table(out.sentences / "fr")["text"]) == ["Bonjour le monde", "Salut le monde", "a b c"]
    assert [row[:5] for row in rejects(out, "x")] == [
        ("x.tsv", "2", "en-fr", "duplicate", "of x.tsv:1"),
        ("x.tsv", "3", "en-fr", "duplicate-normalized", "of x.tsv:1"),
        ("x.tsv", "4", "en-fr", "copy", ""),
        ("x.tsv", "5", "en-fr", "missing-column", "1 columns, expected 2"),
        ("x.tsv", "7", "en-fr", "too-short", "en"),
    ]
    assert rejects(out, "y") == [("y.tsv", "1", "en-fr", "duplicate", "of x.tsv:1", "Hello world", "Bonjour le monde")]


def sample(count, start=0):
    return [
        (f"sentence number {i} of many", f"phrase numéro {i} parmi bien d'autres") for i in range(start, start + count)
    ]


def test_memory_and_shards_change_nothing_but_the_cut(tmp_path):
    write_tsv(tmp_path / "x.tsv", sample(20_000) + sample(3_000))
    corpora = [tsv("x", heldout=True)]
    _, out = run(tmp_path, params(corpora), "wide")
    _, narrow = run(tmp_path, params(corpora, memory_bytes=1 << 20, shard_rows=1000), "narrow")
    assert len(open_folder(narrow.pairs / "en-fr")) == 16  # about 15,000 pairs
    for folder in ("pairs/en-fr", "sentences/en", "sentences/fr", "monolingual/fr", "heldout/en-fr"):
        kind, name = folder.split("/")
        left, right = table(getattr(out, kind) / name), table(getattr(narrow, kind) / name)
        assert left.equals(right)
        assert left["id"].is_sorted()
    assert rejects(out, "x") == rejects(narrow, "x")


def test_the_same_input_gives_the_same_bytes(tmp_path):
    write_tsv(tmp_path / "x.tsv", sample(500) + sample(100))
    _, first = run(tmp_path, params([tsv("x", heldout=True)]), "one")
    _, second = run(tmp_path, params([tsv("x", heldout=True)]), "two")
    for folder in FOLDERS:
        files = sorted(path for path in getattr(first, folder).rglob("*") if path.is_file())
        assert files
        for path in files:
            twin = getattr(second, folder) / path.relative_to(getattr(first, folder))
            assert path.read_bytes() == twin.read_bytes()


def test_held_out_documents(tmp_path):
    pages = {
        f"Doc{i}": {
            language: f"# {title} {i}\n\n{shared}\n\nText {word} number {i} stands here.\n\n{twice}\n\n{twice}\n"
            for language, title, shared, word, twice in (
                ("en", "Heading of page", "Common sentence.", "unique", f"Repeated in page {i}."),
                ("fr", "Titre de la page", "Phrase commune.", "seul", f"Répété dans la page {i}."),
            )
        }
        for i in range(200)
    }
    for name, texts in pages.items():
        (tmp_path / "docs" / name).mkdir(parents=True)
        for language, text in texts.items():
            (tmp_path / "docs" / name / f"{language}.md").write_text(text, encoding="utf-8")
    corpora = [{"name": "docs", "format": "node-docs", "path": "docs"}]
    metrics, out = run(tmp_path, params(corpora, heldout={"share": 0.3, "orphans": 0.2, "near": 0}))
    heldout = table(out.heldout / "en-fr")
    account = metrics["corpora"]["docs"]
    assert account["heldout"] == heldout.height == sum(metrics["heldout"][name]["en-fr"] for name in ("dev", "test"))
    documents = heldout.group_by("doc").agg(pl.col("set").n_unique(), pl.len())
    assert documents["set"].max() == 1  # whole documents
    assert 30 < documents.height < 90
    trained = {text_key(text) for text in table(out.sentences / "en")["text"]}
    assert not trained & set(heldout["a"])
    assert text_key("Common sentence.") in trained
    assert not trained & {text_key(f"Text unique number {doc[3:]} stands here.") for doc in heldout["doc"]}
    assert heldout["a"].n_unique() == heldout["b"].n_unique() == heldout.height
    both = heldout.select((pl.col("in_a") & pl.col("in_b")).mean()).item()
    assert 0.45 < both < 0.75
    assert heldout.filter(~pl.col("in_a") & ~pl.col("in_b")).is_empty()
    french = table(out.monolingual / "fr")
    assert set(french["id"]) == set(heldout["b"])
    assert not french["to_mine"].any()
    assert set(french["doc"]) <= set(heldout["doc"])


def test_held_out_text_stands_where_it_was_read_on_either_side(tmp_path):
    """Two aligned files, and one with both sides: each sentence's place is that of its own side."""
    rows = sample(40)
    (tmp_path / "x.en").write_text("".join(f"{a}\n" for a, _ in rows), encoding="utf-8")
    (tmp_path / "x.fr").write_text("".join(f"{b}\n" for _, b in rows), encoding="utf-8")
    write_tsv(tmp_path / "y.tsv", [(f"Other {a}", f"Autre {b}") for a, b in rows])
    moses = {"name": "x", "format": "moses", "path": "x.{lang}", "heldout": True}
    _, out = run(tmp_path, params([moses, tsv("y", heldout=True)], heldout={"share": 1.0}))
    expected = {text: ("x.fr", line) for line, (_, text) in enumerate(rows, 1)}
    expected |= {f"Autre {text}": ("y.tsv", line) for line, (_, text) in enumerate(rows, 1)}
    french = table(out.monolingual / "fr")
    assert french.height > 40
    assert {row["text"]: (row["file"], row["line"]) for row in french.iter_rows(named=True)} == {
        text: expected[text] for text in french["text"]
    }
    assert set(table(out.monolingual / "en")["file"]) == {"x.en", "y.tsv"}


def test_held_out_pairs_are_unseen_and_one_to_one(tmp_path):
    rows = sample(300)
    # The same first sentence with two translations: no one-to-one gold. A seen second side: no fair test.
    write_tsv(tmp_path / "x.tsv", rows + [(a, b + " encore") for a, b in rows[:50]])
    write_tsv(tmp_path / "y.tsv", [(f"other {i} text", b) for i, (_, b) in enumerate(rows[50:100])])
    corpora = [tsv("x", heldout=True), tsv("y")]
    metrics, out = run(tmp_path, params(corpora, heldout={"share": 1.0, "near": 0}))
    account = metrics["corpora"]["x"]
    assert account["kept"] == 0
    assert account["rejected"] == {"heldout-ambiguous": 100, "heldout-seen": 50}
    assert account["heldout"] == 200
    assert table(out.heldout / "en-fr").height == 200


def test_the_limit_keeps_the_smallest_ids(tmp_path):
    write_tsv(tmp_path / "x.tsv", sample(300))
    corpora = [tsv("x", heldout=True)]
    _, everything = run(tmp_path, params(corpora, heldout={"share": 1.0}), "all")
    metrics, some = run(tmp_path, params(corpora, heldout={"share": 1.0, "limit": 20}), "some")
    assert metrics["heldout"] == {"dev": {"en-fr": 20}, "test": {"en-fr": 20}}
    full = table(everything.heldout / "en-fr")
    for name in ("dev", "test"):
        expected = full.filter(pl.col("set") == name).head(20)
        assert table(some.heldout / "en-fr").filter(pl.col("set") == name).equals(expected)
    assert metrics["corpora"]["x"]["rejected"] == {"heldout-limit": 260}


def test_one_sided_text_to_be_mined(tmp_path):
    write_tsv(tmp_path / "x.tsv", sample(10))
    (tmp_path / "news.txt").write_text("Une nouvelle\nUne nouvelle\n\nUne autre nouvelle\n", encoding="utf-8")
    text = [{"name": "news", "language": "fr", "path": "news.txt"}]
    metrics, out = run(tmp_path, params([tsv("x")], text=text))
    assert metrics["corpora"]["news"] == {"read": 4, "kept": 2, "heldout": 0, "rejected": {"duplicate": 1, "empty": 1}}
    rows = table(out.monolingual / "fr").sort("line")
    assert rows.select("text", "to_mine", "corpus", "file", "line").rows() == [
        ("Une nouvelle", True, "news", "news.txt", 1),
        ("Une autre nouvelle", True, "news", "news.txt", 4),
    ]
    assert metrics["monolingual"] == {"en": 0, "fr": 2}
    assert [row[:4] for row in rejects(out, "news")] == [
        ("news.txt", "2", "fr", "duplicate"),
        ("news.txt", "3", "fr", "empty"),
    ]


def test_near_duplicates_are_an_option(tmp_path):
    first = (
        "The quick brown fox jumps over the lazy dog today",
        "Le vif renard brun saute par-dessus le chien paresseux",
    )
    near = ("The quick brown fox jumped over the lazy dog today", first[1])
    other = ("Something that has nothing to do with it at all", "Quelque chose qui n'a aucun rapport avec cela")
    write_tsv(tmp_path / "x.tsv", [first, near, other])
    metrics, _ = run(tmp_path, params([tsv("x")]), "off")
    assert metrics["pairs"] == {"en-fr": 3}
    metrics, out = run(tmp_path, params([tsv("x")], duplicates={"near": 0.7, "permutations": 128}), "on")
    assert metrics["corpora"]["x"]["rejected"] == {"near-duplicate": 1}
    [reject] = rejects(out, "x")
    assert reject[1:4] == ("2", "en-fr", "near-duplicate")
    assert reject[4].startswith("similarity about 0.")
    assert set(table(out.sentences / "en")["text"]) == {first[0], other[0]}


def test_decontamination_finds_planted_sentences(tmp_path):
    planted = [
        ("A sentence of the test set.", "x y z un"),  # exact
        ("a SENTENCE of the test set", "x y z deux"),  # case and punctuation
        ("Ａ ｓｅｎｔｅｎｃｅ　ｏｆ the test set！", "x y z trois"),  # full-width forms
        ("x y z four", "«Une phrase» du jeu d'essai…"),  # the other side, another benchmark
    ]
    near = ("A sentence of the test sets, really", "x y z cinq")
    write_tsv(tmp_path / "x.tsv", [*sample(20), *planted, near])
    (tmp_path / "one.txt").write_text("A sentence of the test set.\nunrelated words\n", encoding="utf-8")
    (tmp_path / "two.csv").write_text('1,"Une phrase du jeu d\'essai"\n', encoding="utf-8")
    benchmarks = [
        {"name": "one", "path": "one.txt"},
        {"name": "two", "path": "*.csv", "format": "csv", "columns": [1]},
    ]
    metrics, out = run(tmp_path, params([tsv("x")], decontaminate={"benchmarks": benchmarks}), "exact")
    assert metrics["corpora"]["x"]["rejected"] == {"benchmark": 4}
    assert metrics["benchmarks"]["one"]["removed"] == 3
    assert metrics["benchmarks"]["two"]["removed"] == 1
    assert metrics["benchmarks"]["one"]["sentences"] == 2
    assert [row["line"] for row in metrics["benchmarks"]["one"]["examples"]] == [21, 22, 23]
    assert [(row[1], row[4]) for row in rejects(out, "x")] == [
        ("21", "one"),
        ("22", "one"),
        ("23", "one"),
        ("24", "two"),
    ]
    config = params([tsv("x")], decontaminate={"benchmarks": benchmarks, "near": 0.6})
    metrics, _ = run(tmp_path, config, "near")
    assert metrics["corpora"]["x"]["rejected"] == {"benchmark": 4, "benchmark-near": 1}
    with pytest.raises(UserError, match=r"benchmark one: empty.txt holds no sentences"):
        (tmp_path / "empty.txt").write_text("\n")
        run(tmp_path, params([tsv("x")], decontaminate={"benchmarks": [{"name": "one", "path": "empty.txt"}]}))


def test_too_many_bad_lines_stop_the_run_and_leave_nothing(tmp_path):
    (tmp_path / "x.tsv").write_bytes(b"one line\tune ligne\n" * 7 + b"na\xefve\tna\xeff\n" * 3)
    with pytest.raises(UserError) as error:
        run(tmp_path, params([tsv("x")]))
    assert str(error.value) == (
        "corpus x: 3 of 10 units could not be read (30.0%), but prepare.max_bad_share is 20.0%; "
        "the first: x.tsv:8: encoding byte 0xef at 3 is not UTF-8"
    )
    assert not list((tmp_path / "data").iterdir())
    metrics, _ = run(tmp_path, params([tsv("x", encoding="latin-1")]))
    assert metrics["pairs"] == {"en-fr": 2}


def test_utf16_without_a_mark_is_explained(tmp_path):
    (tmp_path / "x.tsv").write_bytes("one line\tune ligne\n".encode("utf-16-le") * 4)
    with pytest.raises(UserError, match="nul-bytes a NUL byte; if the file is UTF-16, give 'encoding'"):
        run(tmp_path, params([tsv("x")]))
    metrics, _ = run(tmp_path, params([tsv("x", encoding="utf-16-le")]))
    assert metrics["pairs"] == {"en-fr": 1}


def test_a_corpus_of_other_languages(tmp_path):
    with pytest.raises(UserError, match=r"corpus x: none of the pairs en-fr is between its languages \(en, ko\)"):
        run(tmp_path, params([tsv("x", languages=["en", "ko"])]))


def test_the_same_corpus_twice(tmp_path):
    write_tsv(tmp_path / "x.tsv", sample(3))
    again = tsv("y", path="./x.tsv")
    with pytest.raises(UserError, match=r"corpora x and y both read x\.tsv"):
        run(tmp_path, params([tsv("x"), again]))
    with pytest.raises(ParamsError, match="the name 'x' is given to more than one corpus"):
        params([tsv("x"), tsv("x")])


def test_a_language_without_rows_has_an_empty_shard(tmp_path):
    write_tsv(tmp_path / "x.tsv", sample(3))
    metrics, out = run(tmp_path, params([tsv("x")], languages=("en", "fr", "ko"), pairs=("en-fr", "en-ko")))
    assert metrics["pairs"] == {"en-fr": 3, "en-ko": 0}
    for folder in (out.sentences / "ko", out.pairs / "en-ko", out.monolingual / "ko", out.heldout / "en-ko"):
        assert [len(shard) for shard in open_folder(folder)] == [0]


def test_a_dry_run_counts_the_first_units_and_writes_nothing(tmp_path):
    write_tsv(tmp_path / "x.tsv", sample(1000))
    metrics = dry_run(params([tsv("x", heldout=False)]), tmp_path, 10)
    assert metrics["corpora"]["x"] == {"read": 10, "kept": 10, "heldout": 0, "rejected": {}}
    assert metrics["pairs"] == {"en-fr": 10}
    assert [path.name for path in tmp_path.iterdir()] == ["x.tsv"]


def test_metrics_are_json_and_say_no_time(tmp_path):
    write_tsv(tmp_path / "x.tsv", sample(5))
    metrics, _ = run(tmp_path, params([tsv("x")]))
    assert json.loads(json.dumps(metrics)) == metrics


def test_language_identification_is_an_option(tmp_path):
    pytest.importorskip("lingua")
    good = ("This is surely an English sentence.", "Ceci est bien une phrase en français.")
    write_tsv(
        tmp_path / "x.tsv", [good, ("This sentence is in English as well.", "Dies ist ein deutscher Satz, oder nicht?")]
    )
    clean = {"min_language": 0.3}
    metrics, _ = run(tmp_path, params([tsv("x")], clean=clean))
    assert metrics["corpora"]["x"] == {"read": 2, "kept": 1, "heldout": 0, "rejected": {"language": 1}}


@pytest.mark.slow
def test_real_text_if_it_is_there(tmp_path):
    folder = Path(__file__).parents[4] / "shared" / "corpora" / "train"
    if not folder.is_dir():
        pytest.skip("../shared/corpora is not here")
    corpus = {"name": "train", "format": "tsv", "path": f"{folder}/{{a}}-{{b}}/tatoeba_challenge_test.tsv.zst"}
    metrics, _ = run(tmp_path, params([corpus], languages=("en", "ja"), pairs=("en-ja",), clean={}))
    assert metrics["corpora"]["train"]["read"] == 8802


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ({"path": "x", "package": "y"}, "give exactly one of 'path', 'files', 'package' and 'dataset'"),
        ({}, "give exactly one of"),
        ({"package": "y"}, "'package' is only for the format node-docs"),
        ({"dataset": "y"}, "'dataset' is only for the format huggingface"),
        ({"path": "x", "revision": "y"}, "'revision' is only for a 'dataset'"),
        ({"path": "x", "format": "text"}, "format 'text' is one-sided"),
        ({"path": "x", "format": "doc"}, "found 'doc'"),
        ({"path": "x", "encoding": "klingon"}, "'klingon' is not an encoding"),
        ({"path": "x", "languages": ["en", "xx"]}, "'xx' is not a language code"),
        ({"path": "x", "colums": {}}, "colums: unknown key; allowed here: name, format, path"),
    ],
)
def test_bad_params_name_the_key(corpus, message):
    with pytest.raises(ParamsError) as error:
        params([{"name": "c", "format": "tsv", **corpus}])
    assert "prepare.corpora.0" in str(error.value)
    assert message in str(error.value)


def test_two_sided_formats_are_refused_for_text():
    with pytest.raises(ParamsError, match="format 'moses' is for parallel text"):
        params([tsv("x")], text=[{"name": "t", "language": "fr", "path": "x", "format": "moses"}])


def test_every_format_has_a_reader():
    from typing import get_args

    from pipeline.config.prepare import Format
    from pipeline.corpora.registry import READERS

    assert set(get_args(Format)) == set(READERS)


@pytest.mark.parametrize(
    ("change", "duplicates", "reason"),
    [
        ("", {}, "duplicate"),
        ("!", {}, "duplicate-normalized"),
        (" now", {"near": 0.7, "permutations": 128}, "near-duplicate"),
    ],
)
def test_of_a_held_out_pair_and_its_copy_in_training_the_held_out_one_goes(tmp_path, change, duplicates, reason):
    """Also where it was read first: training loses nothing to what is held out, and nothing is measured on a copy."""
    rows = [
        ("The quick brown fox jumps over the lazy dog", "Le vif renard brun saute par-dessus le chien paresseux"),
        ("Somebody has left a window open all night", "Quelqu'un a laissé une fenêtre ouverte toute la nuit"),
        ("There is nothing better than bread and cheese", "Il n'y a rien de mieux que du pain et du fromage"),
    ]
    write_tsv(tmp_path / "x.tsv", [(a + change, b) for a, b in rows])
    write_tsv(tmp_path / "y.tsv", rows)
    corpora = [tsv("x", heldout=True), tsv("y")]
    metrics, out = run(tmp_path, params(corpora, heldout={"share": 1.0}, duplicates=duplicates))
    assert metrics["corpora"]["x"] == {"read": 3, "kept": 0, "heldout": 0, "rejected": {reason: 3}}
    assert metrics["corpora"]["y"] == {"read": 3, "kept": 3, "heldout": 0, "rejected": {}}
    assert set(table(out.sentences / "en")["text"]) == {a for a, _ in rows}
