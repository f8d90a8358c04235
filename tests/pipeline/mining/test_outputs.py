import json
import xml.etree.ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mining.formats.tmx import xml_text
from pipeline.mining.outputs import OutputSide, PairsToWrite, format_of, one_line, write_moses
from pipeline.mining.retrieval import Candidates

AWKWARD = [
    "plain",
    "tab\there",
    "two\nlines\r\nthree\u2028four\x85",
    "=1+1",
    '<b>&"quoted"</b>',
    "nul\x00\x1f\ufffe",
    "",
]


def pairs_of(row_a, row_b, score):
    count = len(row_a)
    return Candidates(
        np.array(row_a, np.int64),
        np.array(row_b, np.int64),
        np.array(score, np.float64),
        np.full(count, 0.5, np.float32),
        np.full(count, 0.25),
        np.full(count, 0.75),
        np.ones(count, np.int32),
        np.zeros(count, np.int32),
    )


PAIRS = pairs_of([6, 5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5, 6], [1.5, 1.4, 1.3, 1.2, 1.1, 1.0, 0.9])
A = OutputSide.of("en", AWKWARD, line=pa.array(range(1, 8)))
B = OutputSide.of("fr", AWKWARD, doc=pa.array(list("abcdefg")))
NONE = pairs_of([], [], [])


def write(path, *found):
    format_of(path).write(path, PairsToWrite(*found))


def test_parquet_has_scores_provenance_and_identity(tmp_path):
    write(tmp_path / "pairs.parquet", PAIRS, A, B, {"k": 4})
    table = pq.read_table(tmp_path / "pairs.parquet")
    assert table.column("text_a").to_pylist() == AWKWARD[::-1]
    assert table.column("line_a").to_pylist() == [7, 6, 5, 4, 3, 2, 1]
    assert table.column("doc_b").to_pylist() == list("abcdefg")
    assert table.column("score").to_pylist() == PAIRS.score.tolist()
    assert table.column("rank_b_to_a").to_pylist() == [0] * 7
    assert json.loads(table.schema.metadata[b"softalign"]) == {"k": 4, "kind": "mined", "languages": ["en", "fr"]}
    write(tmp_path / "again.parquet", PAIRS, A, B, {"k": 4})
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "pairs.parquet").read_bytes()
    write(tmp_path / "none.parquet", NONE, A, B, {})
    assert pq.read_table(tmp_path / "none.parquet").column_names == table.column_names


def test_tsv_is_lasers(tmp_path):
    write(tmp_path / "pairs.tsv", PAIRS, A, B)
    lines = (tmp_path / "pairs.tsv").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert [line.count("\t") for line in lines] == [2] * 7
    assert lines[1] == "1.400000\tnul\x00\x1f\ufffe\ttab here"
    assert lines[3] == "1.200000\t=1+1\t=1+1"


def test_moses_sides_have_equal_line_counts(tmp_path):
    paths = write_moses(tmp_path / "corpus", PAIRS, A, B)
    assert [path.name for path in paths] == ["corpus.en", "corpus.fr"]
    for path in paths:
        assert len(path.read_text(encoding="utf-8").splitlines()) == 7
    assert paths[1].read_text(encoding="utf-8").splitlines()[2] == "two lines three four "
    with pytest.raises(ValueError, match="named by language"):
        write_moses(tmp_path / "corpus", PAIRS, A, A)


def test_tmx_comes_back(tmp_path):
    write(tmp_path / "pairs.tmx", PAIRS, A, B)
    root = ET.parse(tmp_path / "pairs.tmx").getroot()  # noqa: S314  (our own file)
    assert (root.tag, root.get("version")) == ("tmx", "1.4")
    header = root.find("header")
    needed = {"creationtool", "creationtoolversion", "segtype", "o-tmf", "adminlang", "srclang", "datatype"}
    assert set(header.keys()) == needed
    units = root.findall("body/tu")
    languages = [[v.get("{http://www.w3.org/XML/1998/namespace}lang") for v in unit.findall("tuv")] for unit in units]
    assert languages == [["en", "fr"]] * 7
    texts = [unit.findall("tuv/seg")[1].text or "" for unit in units]
    assert texts == [*AWKWARD[:5], "nul\ufffd\ufffd\ufffd", ""]
    assert units[0].find("prop").text == "1.500000"


def test_no_pairs_give_whole_files(tmp_path):
    write(tmp_path / "none.tmx", NONE, A, B)
    assert ET.parse(tmp_path / "none.tmx").getroot().find("body") is not None  # noqa: S314
    write(tmp_path / "none.tsv", NONE, A, B)
    assert (tmp_path / "none.tsv").read_bytes() == b""


@given(st.text())
def test_any_text_survives_xml_and_lines(text):
    parsed = ET.fromstring(f"<seg>{xml_text(text)}</seg>").text or ""  # noqa: S314
    assert len(parsed) == len(text)
    assert all(a in (b, "\ufffd") for a, b in zip(parsed, text, strict=True))
    assert len(one_line(text).splitlines()) <= 1
