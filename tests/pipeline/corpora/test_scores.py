"""Pairs with scores: a threshold, and what is below it, in every format that has columns of scores."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_reading import ask, read
from pydantic import ValidationError

from pipeline.config.prepare import Corpus
from pipeline.console.errors import InputError
from pipeline.corpora.base import NOT_BAD

SCORES = [0.9, 0.5, 0.2, float("nan"), None]


def write(folder: Path, kind: str) -> None:
    table = pa.table({"score": SCORES, "text_a": [f"a{row}" for row in range(5)], "text_b": ["b"] * 5})
    if kind == "parquet":
        pq.write_table(table, folder / "p")
    elif kind == "arrow":
        with pa.OSFile(str(folder / "p"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        rows = [f"{'' if score is None else score}\ta{row}\tb\n" for row, score in enumerate(SCORES)]
        (folder / "p").write_text("".join(["score\ttext_a\ttext_b\n", *rows] if kind == "tsv" else rows))


@pytest.mark.parametrize("kind", ["parquet", "arrow", "tsv", "tsv without a header"])
def test_pairs_below_the_least_score_are_rejected(kind: str, tmp_path: Path):
    write(tmp_path, kind)
    named = kind in {"parquet", "arrow", "tsv"}
    columns = (("de", "text_a"), ("fr", "text_b")) if named else (("de", 1), ("fr", 2))
    rows = read(
        kind.split()[0], ask(tmp_path, "p", "de-fr", columns=columns, score="score" if named else 0, min_score=0.5)
    )
    assert [(row["a"], row["b"], row["reason"]) for row in rows if row["reason"] is None] == [
        ("a0", "b", None),
        ("a1", "b", None),
    ]
    assert [row["reason"] for row in rows[2:]] == ["low-score", "low-score", "no-score"]
    assert rows[2]["detail"] == "score 0.2"
    assert "low-score" in NOT_BAD
    assert "no-score" not in NOT_BAD  # a wrong column, or damage


def test_a_score_column_that_is_none_stops(tmp_path: Path):
    write(tmp_path, "parquet")
    columns = (("de", "text_a"), ("fr", "text_b"))
    with pytest.raises(InputError, match=r"has no column 'margin'"):
        read("parquet", ask(tmp_path, "p", "de-fr", columns=columns, score="margin", min_score=0.5))
    with pytest.raises(InputError, match=r"column 'text_a' holds string, expected numbers"):
        read("parquet", ask(tmp_path, "p", "de-fr", columns=columns, score="text_a", min_score=0.5))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"format": "parquet", "score": "score"}, "give both or neither"),
        ({"format": "parquet", "min_score": 0.5}, "give both or neither"),
        ({"format": "tmx", "score": "score", "min_score": 0.5}, "Extra inputs are not permitted"),
    ],
)
def test_what_params_refuse(more: dict[str, object], expected: str):
    with pytest.raises(ValidationError, match=expected):
        Corpus.model_validate({"name": "c", "path": "p", **more})
