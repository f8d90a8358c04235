import json

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
