import pytest
from corpus_reading import ask, read, reasons, sides

from pipeline.console.errors import InputError, UserError
from pipeline.corpora import tabular


def test_tsv_by_the_order_of_languages(tmp_path):
    (tmp_path / "x.tsv").write_text('one "quoted\tun\nonly one column\ntwo\tdeux\tignored\n')
    rows = read("tsv", ask(tmp_path, "x.tsv", "en-fr", languages=("en", "fr")))
    assert sides(rows) == [('one "quoted', "un"), ("two", "deux")]
    assert reasons(rows) == [(2, "missing-column")]
    assert rows[1]["detail"] == "1 columns, expected 2"


def test_tsv_by_numbers_and_by_the_folder_in_either_order(tmp_path):
    (tmp_path / "fr-en").mkdir()
    (tmp_path / "fr-en" / "x.tsv").write_text("un\tone\n")
    assert sides(read("tsv", ask(tmp_path, "{a}-{b}/*.tsv", "en-fr"))) == [("one", "un")]
    columns = (("en", 1), ("fr", 0))
    assert sides(read("tsv", ask(tmp_path, "**/*.tsv", "en-fr", columns=columns))) == [("one", "un")]


def test_tsv_with_a_header_and_three_languages(tmp_path):
    (tmp_path / "x.tsv").write_text("id\tfr\ten\tja\n1\tun\tone\t一\n2\tdeux\ttwo\n")
    columns = (("en", "en"), ("fr", "fr"), ("ja", "ja"))
    rows = read("tsv", ask(tmp_path, "x.tsv", "en-fr", "en-ja", columns=columns))
    assert [(r["pair"], r["a"], r["b"], r["line"], r["reason"]) for r in rows] == [
        ("en-fr", "one", "un", 2, None), ("en-fr", "two", "deux", 3, None),
        ("en-ja", "one", "一", 2, None), ("en-ja", "2\tdeux\ttwo", "", 3, "missing-column"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["tsv", "csv"])
def test_missing_columns_and_headers_are_named(tmp_path, kind):
    (tmp_path / "x").write_text({"tsv": "a\tb\n", "csv": "a,b\n"}[kind])
    with pytest.raises(InputError, match=r"x:1: has no column 'en'; its columns are a, b"):
        read(kind, ask(tmp_path, "x", "en-fr", columns=(("en", "en"), ("fr", "b"))))
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError, match=r"x:1: is empty, expected a header"):
        read(kind, ask(tmp_path, "x", "en-fr", columns=(("en", "en"), ("fr", "b"))))
    with pytest.raises(UserError, match=r"which column is which language"):
        read(kind, ask(tmp_path, "x", "en-fr"))


def test_csv_quotes_line_ends_and_lines(tmp_path):
    (tmp_path / "x.csv").write_text('en,fr\n"a, b","c ""d"""\n\n"two\nlines",e\nshort\nlast,f\n')
    rows = read("csv", ask(tmp_path, "x.csv", "en-fr", columns=(("en", "en"), ("fr", "fr"))))
    assert [(r["a"], r["b"], r["line"], r["reason"]) for r in rows] == [
        ("a, b", 'c "d"', 2, None), ("two\nlines", "e", 4, None),
        ("short", "", 6, "missing-column"), ("last", "f", 7, None),
    ]  # fmt: skip


def test_csv_bad_bytes_spoil_one_record(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"a,b\nc\xff,d\ne,f\n")
    rows = read("csv", ask(tmp_path, "x.csv", "en-fr", languages=("en", "fr")))
    assert sides(rows) == [("a", "b"), ("e", "f")]
    assert reasons(rows) == [(2, "encoding")]


def test_csv_quote_that_is_never_closed(tmp_path):
    (tmp_path / "x.csv").write_text('a,b\n"c,d\n' + "e,f\n" * 400_000)
    with pytest.raises(InputError, match=r"x.csv:2: not valid CSV from here on .* a quote never closed"):
        read("csv", ask(tmp_path, "x.csv", "en-fr", languages=("en", "fr")))


def test_one_sided(tmp_path):
    (tmp_path / "x.tsv").write_text("1\tone\n2\n")
    rows = read("tsv", ask(tmp_path, "x.tsv", "en", columns=(("en", 1),)))
    assert [(r["a"], r["b"], r["reason"]) for r in rows] == [("one", None, None), ("2", None, "missing-column")]
    (tmp_path / "y").write_text("one\ntwo\n")
    assert [r["a"] for r in read("text", ask(tmp_path, "y", "en"))] == ["one", "two"]
    with pytest.raises(UserError, match=r"one-sided"):
        read("text", ask(tmp_path, "y", "en-fr"))


@pytest.mark.parametrize(
    ("kind", "delimiter", "line"),
    [
        ("tsv", " ||| ", 'one "x" ||| un'), ("tsv", "|||", 'one "x"|||un'), ("tsv", ",", 'one "x",un'),
        ("tsv", None, 'one "x"\tun'),
        ("csv", ";", '"one ""x""";un'), ("csv", "\t", '"one ""x"""\tun'), ("csv", None, '"one ""x""",un'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("header", [False, True])
def test_other_delimiters(tmp_path, kind, delimiter, line, header):
    between = delimiter or {"tsv": "\t", "csv": ","}[kind]
    (tmp_path / "x").write_text((f"en{between}fr\n" if header else "") + f"{line}\n")
    columns = (("en", "en"), ("fr", "fr")) if header else (("en", 0), ("fr", 1))
    assert sides(read(kind, ask(tmp_path, "x", "en-fr", columns=columns, delimiter=delimiter))) == [('one "x"', "un")]


@pytest.mark.parametrize(
    ("kind", "line", "advice"),
    [
        ("tsv", "one, two ||| un", '" ||| "'), ("tsv", "one,un", '","'), ("tsv", "one|un", '"|"'), ("csv", "one;un", '";"'),
        ("csv", "one\tun", r'"\\t"'), ("tsv", "nothing", None),
    ],
)  # fmt: skip
def test_the_likely_delimiter_is_named(tmp_path, kind, line, advice):
    (tmp_path / "x").write_text(f"{line}\n")
    (row,) = read(kind, ask(tmp_path, "x", "en-fr", columns=(("en", 0), ("fr", 1))))
    said = (
        "" if advice is None else f"; is it separated by '{advice[1:-1]}'? then give the corpus 'delimiter: {advice}'"
    )
    assert (row["reason"], row["detail"]) == ("missing-column", f"1 columns, expected 2{said}".replace("\\\\", "\\"))
    with pytest.raises(InputError, match="has no column 'en'"):
        read(kind, ask(tmp_path, "x", "en-fr", columns=(("en", "en"), ("fr", "fr"))))


def test_the_limit_is_a_csv_record_s_not_the_file_s(tmp_path, monkeypatch):
    monkeypatch.setattr(tabular, "MAX_RECORD_CHARS", 20)
    (tmp_path / "x.csv").write_text("one,un\n" * 10 + '"two\nlines",deux\n' * 3)
    request = ask(tmp_path, "x.csv", "en-fr", languages=("en", "fr"))
    assert sides(read("csv", request)) == [("one", "un")] * 10 + [("two\nlines", "deux")] * 3
    (tmp_path / "x.csv").write_text("one,un\n" * 10 + '"two\nvery\nlong\nlines",deux\n')
    with pytest.raises(InputError, match=r"x.csv:11: a record of over 20 characters; a quote never closed"):
        read("csv", request)
