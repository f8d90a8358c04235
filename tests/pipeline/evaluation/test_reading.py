import gzip
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmark_files import lines, write_bucc, write_flores, write_korsts, write_stsb, write_tatoeba
from imports import ROOT

from pipeline.console.errors import InputError, UserError
from pipeline.evaluation.benchmark import Mining, Similarity, TopOne
from pipeline.evaluation.lines import choose_languages
from pipeline.evaluation.reading import read_benchmark

REAL = ROOT.parent / "shared" / "corpora" / "benchmarks"


def names(kind: str, folder: Path, languages=None, **more) -> list[str]:
    return [task.name for task in read_benchmark("b", kind, folder, languages, **more).tasks]


def test_tatoeba(tmp_path: Path):
    write_tatoeba(tmp_path, ("fra", "cmn"), rows=5)
    (tmp_path / "README.md").write_text("x")
    assert names("tatoeba", tmp_path) == ["zh-en", "fr-en"]
    assert names("tatoeba", tmp_path, ["en", "fr"]) == ["fr-en"]
    benchmark = read_benchmark("b", "tatoeba", tmp_path, ["en", "fr"])
    assert list(benchmark.by_language()) == ["fr", "en"]
    assert len(benchmark.texts()) == 10


def test_flores_is_every_two_languages_in_the_order_asked(tmp_path: Path):
    write_flores(tmp_path, rows=3)
    lines(tmp_path / "eng_Latn.dev", ["one"])
    assert names("flores", tmp_path) == ["en-fr", "en-ko", "fr-ko"]
    assert names("flores", tmp_path, ["ko", "en"]) == ["ko-en"]
    with pytest.raises(UserError, match="nothing in the languages en"):
        names("flores", tmp_path, ["en"])
    with pytest.raises(UserError, match="holds nothing"):
        names("flores", tmp_path, ["en", "fr"], split="dev")


def test_ntrex(tmp_path: Path):
    for name in ("src.eng", "ref.fra", "ref.fra-CA", "ref.zho-TW", "ref-2.spa", "ref.eng-US"):
        lines(tmp_path / f"newstest2019-{name}.txt", [name, "b"])
    assert names("ntrex", tmp_path, ["en", "fr", "zh-Hant"]) == ["en-fr", "en-zh-Hant", "fr-zh-Hant"]
    task = read_benchmark("b", "ntrex", tmp_path, ["en", "fr"]).tasks[0]
    assert task.texts_a[0] == "src.eng"
    assert task.texts_b[0] == "ref.fra"
    assert "es" not in {task.b for task in read_benchmark("b", "ntrex", tmp_path).tasks}


def test_stsb_and_korsts(tmp_path: Path):
    write_stsb(tmp_path / "s", rows=6)
    tasks = read_benchmark("b", "stsb", tmp_path / "s").tasks
    assert [task.name for task in tasks] == ["en", "fr"]
    assert tasks[0].units == tasks[1].units
    assert tasks[0].gold.tolist() == [5, 4, 3, 2, 1, 5]
    assert tasks[0].first[0].endswith(", 1")
    lines(tmp_path / "s" / "stsb-fr-test.csv", ["a,b,1", "a,c,2", "d,e,3"])
    tasks = read_benchmark("b", "stsb", tmp_path / "s").tasks
    assert tasks[0].units != tasks[1].units  # of different lengths: no translations of one another
    write_korsts(tmp_path / "k")
    task = read_benchmark("b", "korsts", tmp_path / "k", ["ko"]).tasks[0]
    assert isinstance(task, Similarity)
    assert task.first[3].endswith('"3')  # a quote is a quote
    with pytest.raises(UserError, match="nothing in the languages en, fr"):
        read_benchmark("b", "korsts", tmp_path / "k", ["en", "fr"])


def test_jsts(tmp_path: Path):
    rows = [{"sentence1": f"a{n}", "sentence2": f"b{n}", "label": n / 2} for n in range(4)]
    lines(tmp_path / "valid-v1.1.json", [json.dumps(row) for row in rows])
    task = read_benchmark("b", "jsts", tmp_path).tasks[0]
    assert task.gold.tolist() == [0, 0.5, 1, 1.5]
    lines(tmp_path / "valid-v1.3.json", ['{"sentence1": "a"}'])
    with pytest.raises(InputError, match=r"valid-v1.3.json:1: the line lacks 'sentence2'"):
        read_benchmark("b", "jsts", tmp_path)


def test_semeval_joins_the_parts_of_a_year_and_leaves_unjudged_pairs_out(tmp_path: Path):
    lines(tmp_path / "STS.input.MSRpar.txt", ["a\tb", "c\td", "e\tf\thttp://source"])
    lines(tmp_path / "STS.gs.MSRpar.txt", ["4.5", "", "0"])
    lines(tmp_path / "STS.input.images.txt", ["g\th"])
    lines(tmp_path / "STS.gs.images.txt", ["5"])
    task = read_benchmark("b", "sts", tmp_path, ["en"]).tasks[0]
    assert (task.name, task.first, task.gold.tolist()) == ("en", ["a", "e", "g"], [4.5, 0, 5])


def test_semeval_2017_has_a_task_for_each_track(tmp_path: Path):
    for track in ("track1.ar-ar", "track4a.es-en", "track4b.es-en", "track5.en-en"):
        lines(tmp_path / "STS2017.eval" / f"STS.input.{track}.txt", ["a\tb", "c\td", "e\tf"])
        lines(tmp_path / "STS2017.gs" / f"STS.gs.{track}.txt", ["1", "2", "3"])
    assert names("sts", tmp_path) == ["ar", "es-en", "track4b.es-en", "en"]
    assert names("sts", tmp_path, ["en", "es"]) == ["es-en", "track4b.es-en", "en"]
    (tmp_path / "STS2017.gs" / "STS.gs.track5.en-en.txt").unlink()
    with pytest.raises(InputError, match=r"its gold scores STS.gs.track5.en-en.txt are not here"):
        names("sts", tmp_path)


def test_news_similarity_in_every_form(tmp_path: Path):
    rows = [{"sentence1": f"a{n}", "sentence2": f"b{n}" if n else "", "score": 1 + n / 2} for n in range(5)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "de.jsonl").write_text(text)
    (tmp_path / "fr.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "de-en.parquet")
    lines(tmp_path / "en.csv", ["sentence1,score,sentence2", *(f"a,{1 + n},b" for n in range(3))])
    tasks = read_benchmark("b", "sts22", tmp_path).tasks
    assert [(task.name, len(task.gold)) for task in tasks] == [("de-en", 4), ("de", 4), ("en", 3), ("fr", 4)]
    assert names("sts22", tmp_path, ["fr", "en"]) == ["en", "fr"]
    (tmp_path / "fr.jsonl.gz").write_bytes(gzip.compress(text.encode())[:-9])
    with pytest.raises(InputError, match="can't be read as gzip"):
        names("sts22", tmp_path)


def test_bucc_in_both_forms(tmp_path: Path):
    write_bucc(tmp_path, rows=8, gold=3)
    mining = read_benchmark("b", "bucc", tmp_path).tasks[0]
    assert isinstance(mining, Mining)
    assert (mining.name, len(mining.test.a), mining.test.gold.tolist()) == ("fr-en", 8, [[0, 0], [1, 1], [2, 2]])
    top = read_benchmark("b", "bucc-retrieval", tmp_path).tasks[0]
    assert isinstance(top, TopOne)
    assert (len(top.queries), len(top.candidates), top.target.tolist()) == (3, 8, [0, 1, 2])
    assert mining.items(np.array([1, 7]))[1][1] == ""


def test_languages():
    assert choose_languages(["fra-CA", "fra"], ["fr"]) == {"fra": "fr"}
    assert choose_languages(["fra-CA"], ["fr"]) == {"fra-CA": "fr"}
    assert choose_languages(["kor_Hang", "zho_Hant", "cmn", "zho_Hans"], None) == {
        "cmn": "zh", "kor_Hang": "ko", "zho_Hans": "zho_Hans", "zho_Hant": "zh-Hant",
    }  # fmt: skip
    assert choose_languages(["xx1"], None) == {"xx1": "xx1"}


@pytest.mark.parametrize(
    ("kind", "files", "message"),
    [
        ("tatoeba", {}, "no file here is named tatoeba"),
        ("tatoeba", {"tatoeba.fra-eng.fra": "a\nb\n", "tatoeba.fra-eng.eng": "a\n"}, "2 and 1 lines; expected equally"),
        ("tatoeba", {"tatoeba.fra-eng.fra": "a\n"}, "tatoeba.fra-eng.eng: no such file"),
        ("tatoeba", {"tatoeba.fra-eng.fra": "", "tatoeba.fra-eng.eng": ""}, "holds no lines"),
        ("flores", {"eng_Latn.devtest": "a\n", "fra_Latn.devtest": "a\nb\n"}, "1 and 2 lines; expected equally"),
        ("flores", {"a.txt": ""}, "no file here is named like eng_Latn.devtest"),
        ("ntrex", {}, "no file here is named like newstest2019-ref.fra.txt"),
        ("stsb", {}, "no file here is named like stsb-en-test.csv"),
        (
            "stsb",
            {"stsb-en-test.csv": "a,b,1\nc,d,5.5\ne,f,2\n"},
            r"test.csv:2: found the score '5.5'; expected a number",
        ),
        ("stsb", {"stsb-en-test.csv": "a,b,1\nc,d,x\ne,f,2\n"}, r"test.csv:2: found the score 'x'"),
        ("stsb", {"stsb-en-test.csv": "a,b,nan\nc,d,1\ne,f,2\n"}, r"test.csv:1: found the score 'nan'"),
        ("stsb", {"stsb-en-test.csv": "a,b,1\nc,d\n"}, "test.csv:2: found 2 columns, expected at least 3"),
        ("stsb", {"stsb-en-test.csv": "a,b,1\n"}, "1 judged pairs; expected at least 3"),
        ("stsb", {"stsb-en-test.csv": b"a,\xff,1\n"}, "not UTF-8"),
        ("korsts", {}, "sts-test.tsv: no such file"),
        ("korsts", {"sts-test.tsv": "score\tsentence1\n"}, "has no column 'sentence2'"),
        ("jsts", {}, "no file here is named like valid-v1.1.json"),
        ("sts", {}, "no file here is named like STS.input.MSRpar.txt"),
        ("sts", {"STS.input.a.txt": "a\tb\n", "STS.gs.a.txt": "1\n2\n"}, "1 and 2 lines"),
        ("sts", {"STS.input.a.txt": "a b\n", "STS.gs.a.txt": "1\n"}, "expected two sentences with a tab"),
        ("sts22", {}, "no file here is named like de.jsonl.gz"),
        ("sts22", {"de.jsonl": "[]\n"}, "de.jsonl:1: the line is not a JSON object"),
        ("sts22", {"de.parquet": "x"}, "no Parquet with columns"),
        ("bucc", {}, "no file here is named like fr-en.training.gold"),
    ],
)
def test_bad_files_are_one_clear_line(tmp_path: Path, kind: str, files: dict[str, str | bytes], message: str):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message) as caught:
        read_benchmark("b", kind, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("fr-en.test.gold", "fr-000000001\ten-9\n", "the id 'en-9' is not in"),
        ("fr-en.test.gold", "en-000000001\tfr-000000001\n", "are the columns exchanged"),
        ("fr-en.test.gold", "", "holds no pairs"),
        ("fr-en.test.gold", None, "no such file; expected the gold pairs of ids"),
        ("fr-en.training.fr", None, "no such file"),
    ],
)
def test_bad_bucc_files(tmp_path: Path, name: str, content: str | None, message: str):
    path = write_bucc(tmp_path, rows=5, gold=2) / "fr-en" / name
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_benchmark("b", "bucc", tmp_path)


def test_a_missing_folder(tmp_path: Path):
    with pytest.raises(InputError, match=r"nothing: no such folder; expected the files of mine \(tatoeba\)"):
        read_benchmark("mine", "tatoeba", tmp_path / "nothing")


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real benchmarks at {os.path.relpath(REAL, ROOT)}")
@pytest.mark.parametrize(
    ("kind", "folder", "tasks", "sizes"),
    [
        ("tatoeba", "tatoeba", 4, {1000}),
        ("flores", "flores200-devtest", 10, {1012}),
        ("stsb", "stsb-multi-mt", 4, {1379}),
        ("korsts", "korsts", 1, {1379}),
    ],
)
def test_the_real_ones(kind: str, folder: str, tasks: int, sizes: set[int]):
    read = read_benchmark(kind, kind, REAL / folder, ["en", "fr", "ja", "ko", "ru"])
    assert len(read.tasks) == tasks
    assert {len(next(iter(task.sides()))[1]) for task in read.tasks} == sizes
