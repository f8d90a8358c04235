import json

import pytest
from corpus_reading import ask, read, reasons, sides


def test_keys_nesting_and_bad_lines(tmp_path):
    lines = [
        json.dumps({"translation": {"en": "one", "fr": "un"}}),
        json.dumps({"eng_Latn": "two", "fra_Latn": "deux"}),
        "{broken",
        json.dumps({"en": "three"}),
        json.dumps({"en": 4, "fr": "quatre"}),
        '{"en": "\\ud800", "fr": "half"}',
        "",
        "[" * 100_000,
        json.dumps({"en": "five", "fr": "cinq"}),
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(lines) + "\n")
    rows = read("jsonl", ask(tmp_path, "x.jsonl", "en-fr"))
    assert sides(rows) == [("one", "un"), ("two", "deux"), ("five", "cinq")]
    assert reasons(rows) == [
        (3, "not-json"), (4, "missing-side"), (5, "missing-column"), (6, "encoding"),
        (7, "missing-column"), (8, "not-json"),
    ]  # fmt: skip


def test_named_columns(tmp_path):
    (tmp_path / "x").write_text('{"src": {"text": "one"}, "tgt.text": "un"}\n')
    rows = read("jsonl", ask(tmp_path, "x", "en-fr", columns=(("en", "src.text"), ("fr", "tgt.text"))))
    assert sides(rows) == [("one", "un")]


COLUMNS = {"jsonl": (), "tsv": (("en", 0), ("fr", 1), ("de", 2))}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_language_in_the_name_leaves_the_pairs_with_it(tmp_path, kind):
    text = {"jsonl": '{"en": "one", "fr": "un", "de": "eins"}\n', "tsv": "one\tun\teins\n"}[kind]
    (tmp_path / f"de.{kind}").write_text(text)
    rows = read(kind, ask(tmp_path, f"{{lang}}.{kind}", "en-fr", "en-de", columns=COLUMNS[kind]))
    assert [(row["pair"], row["a"]) for row in rows] == [("en-de", "one")]
