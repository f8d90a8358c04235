"""What isn't there is no damage: a side that a whole record lacks is `missing-side` in every format."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_reading import ask, read, sides

RECORDS = [{"en": "one", "fr": "un"}, {"en": "two", "fr": None}, {"en": "three"}, {"en": None, "fr": "quatre"}]


def jsonl(path: Path, records: list) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def columnar(path: Path, table: pa.Table) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)


def write(path: Path, nested: bool) -> None:
    records = [{"translation": record} for record in RECORDS] if nested else RECORDS
    if path.suffix == ".jsonl":
        jsonl(path, records)
    else:
        columnar(path, pa.Table.from_pylist(records))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("kind", ["jsonl", "parquet", "arrow"])
@pytest.mark.parametrize("through", ["itself", "huggingface"])
def test_null_and_missing_keys(tmp_path: Path, kind: str, nested: bool, through: str) -> None:
    write(tmp_path / f"x.{kind}", nested)
    path = f"x.{kind}" if through == "itself" else "."
    rows = read(kind if through == "itself" else "huggingface", ask(tmp_path, path, "en-fr"))
    assert sides(rows) == [("one", "un")]
    assert [(row["line"], row["reason"], row["detail"]) for row in rows[1:]] == [
        (2, "missing-side", "no text for fr"),
        (3, "missing-side", "no text for fr"),
        (4, "missing-side", "no text for en"),
    ]


def test_a_column_of_nothing_but_nulls(tmp_path: Path) -> None:
    columnar(tmp_path / "x.parquet", pa.table({"en": ["one"], "fr": pa.nulls(1)}))
    assert [row["reason"] for row in read("parquet", ask(tmp_path, "x.parquet", "en-fr"))] == ["missing-side"]


@pytest.mark.parametrize(
    ("record", "columns", "reason", "detail"),
    [
        ({"en": "one", "fr": 4}, {}, "missing-column", "fr is a number, expected text"),
        ({"en": ["one"], "fr": "un"}, {}, "missing-column", "en is a list, expected text"),
        (["one", "un"], {}, "missing-column", "found a list, expected an object with a key for each language"),
        (None, {}, "missing-column", "found null, expected an object with a key for each language"),
        ({"source": "one", "target": "un"}, {}, "missing-side", "no text for en; its keys are source, target"),
        ({"src": {"text": None}, "fr": "un"}, {"en": "src.text", "fr": "fr"}, "missing-side", "no text for en"),
        ({"src": "one", "fr": "un"}, {"en": "src.text", "fr": "fr"}, "missing-column", "found text, expected an object that"),
        ({"0": "one"}, {"en": 0, "fr": 1}, "missing-column", "found an object, expected a list"),
        (["one"], {"en": 0, "fr": 1}, "missing-side", "no text for fr"),
        ({"en": "one", "translation": "eins", "fr": "un"}, {}, None, None),
    ],
)  # fmt: skip
def test_what_is_damage_in_json(tmp_path: Path, record, columns, reason, detail) -> None:
    jsonl(tmp_path / "x.jsonl", [record])
    (row,) = read("jsonl", ask(tmp_path, "x.jsonl", "en-fr", columns=tuple(columns.items())))
    assert row["reason"] == reason
    assert detail is None or row["detail"].startswith(detail)


def test_who_is_to_blame_is_named(tmp_path: Path) -> None:
    """Defects of side b stand in side b's file, at its own line."""
    (tmp_path / "x.en").write_bytes(b"one\ntw\xe8\nthree\n\xff\n")
    (tmp_path / "x.fr").write_bytes(b"un\ndeux\ntr\xe8s\n\xff\n")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for language in ("en", "fr"):
            archive.write(tmp_path / f"x.{language}", f"c.en-fr.{language}")
    (tmp_path / "docs" / "page").mkdir(parents=True)
    (tmp_path / "docs" / "page" / "en.md").write_bytes(b"one\n")
    (tmp_path / "docs" / "page" / "fr.md").write_bytes(b"\xe8\n")
    for kind, path, names in (
        ("moses", "x.{lang}", ("x.en", "x.fr")),
        ("opus-zip", "x.zip", ("x.zip!c.en-fr.en", "x.zip!c.en-fr.fr")),
    ):
        rows = read(kind, ask(tmp_path, path, "en-fr"))
        assert [(row["file"], row["line"], row["detail"]) for row in rows if row["reason"]] == [
            (names[0], 2, "byte 0xe8 at 3 is not UTF-8"),
            (names[1], 3, "byte 0xe8 at 3 is not UTF-8"),
            (names[0], 4, "byte 0xff at 1 is not UTF-8"),
        ]
    (row,) = read("node-docs", ask(tmp_path, "docs", "en-fr"))
    assert (row["file"], row["reason"], row["detail"]) == ("docs/page/fr.md", "encoding", "fr: byte 1 is not UTF-8")
