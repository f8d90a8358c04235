import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_reading import ask, read, reasons, sides

from pipeline.console.errors import InputError


def save(path, columns, kind):
    table = pa.table(columns)
    if kind == "parquet":
        pq.write_table(table, path)
    else:
        new = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
        with new(str(path), table.schema) as writer:
            writer.write_table(table)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "stream"])
def test_columns_are_guessed_or_named(tmp_path, kind):
    save(tmp_path / "x", {"en": ["one", None, "two"], "fr": ["un", "rien", "deux"]}, kind)
    name = "parquet" if kind == "parquet" else "arrow"
    rows = read(name, ask(tmp_path, "x", "en-fr"))
    assert sides(rows) == [("one", "un"), ("two", "deux")]
    assert reasons(rows) == [(2, "missing-side")]
    rows = read(name, ask(tmp_path, "x", "en-fr", columns=(("en", 1), ("fr", 0))))
    assert sides(rows) == [("un", "one"), ("deux", "two")]


def test_a_translation_struct(tmp_path):
    save(tmp_path / "x", {"translation": [{"en": "one", "fr": "un"}, None]}, "parquet")
    rows = read("parquet", ask(tmp_path, "x", "en-fr"))
    assert sides(rows) == [("one", "un")]
    assert reasons(rows) == [(2, "missing-side")]


def test_sentence1_and_sentence2_follow_the_folders_order(tmp_path):
    (tmp_path / "Books" / "fr-en").mkdir(parents=True)
    save(tmp_path / "Books" / "fr-en" / "x.parquet", {"sentence1": ["un"], "sentence2": ["one"]}, "parquet")
    assert sides(read("parquet", ask(tmp_path, "*/{a}-{b}/*.parquet", "en-fr"))) == [("one", "un")]


def test_what_is_wrong_is_named(tmp_path):
    save(tmp_path / "x", {"p": ["one"], "q": [1]}, "parquet")
    with pytest.raises(InputError, match=r"x: which column is which language\? give 'columns'; its columns are p, q"):
        read("parquet", ask(tmp_path, "x", "en-fr"))
    with pytest.raises(InputError, match=r"x: has no column 'r'; its columns are p, q"):
        read("parquet", ask(tmp_path, "x", "en-fr", columns=(("en", "p"), ("fr", "r"))))
    with pytest.raises(InputError, match=r"column 'q' holds int64, expected text"):
        read("parquet", ask(tmp_path, "x", "en-fr", columns=(("en", "p"), ("fr", "q"))))
    (tmp_path / "y").write_bytes((tmp_path / "x").read_bytes()[:-20])
    for kind in ("parquet", "arrow"):
        with pytest.raises(InputError, match=f"y: is not a readable {kind} file"):
            read(kind, ask(tmp_path, "y", "en-fr"))
