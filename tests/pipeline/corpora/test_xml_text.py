"""XML and encodings of the real world: what is mended and counted, and what stops with line and column."""

import tracemalloc

import pytest
from corpus_reading import ask, read, reasons, sides

from pipeline.console.errors import InputError
from pipeline.corpora import xml_text
from pipeline.corpora.base import Notes, file_source

UNIT = '<tu><tuv xml:lang="en"><seg>{0}</seg></tuv><tuv xml:lang="fr"><seg>un</seg></tuv></tu>'
DOCTYPES = ["", '<!DOCTYPE tmx SYSTEM "tmx14.dtd">']


def tmx(*texts, head='<?xml version="1.0"?>'):
    return f'{head}\n<tmx version="1.4"><body>\n' + "\n".join(UNIT.format(text) for text in texts) + "\n</body></tmx>"


def read_tmx(tmp_path, text, written="utf-8", **more):
    (tmp_path / "x.tmx").write_bytes(text.encode(written) if isinstance(text, str) else text)
    request = ask(tmp_path, "x.tmx", "en-fr", **more)
    return read("tmx", request), request.notes.lines()


@pytest.mark.parametrize("doctype", DOCTYPES)
@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("a&nbsp;b", "a\u00a0b"), ("caf&eacute;", "café"), ("&hellip;&Mu;", "…Μ"), ("&LT;b&GT;&AMP;", "<b>&"),
        ("&NotEqualTilde;", "\u2242\u0338"),
    ],
)  # fmt: skip
def test_named_entities_of_html_are_their_characters(tmp_path, doctype, written, text):
    rows, notes = read_tmx(tmp_path, tmx("one", written, head=f'<?xml version="1.0"?>{doctype}'))
    assert sides(rows) == [("one", "un"), (text, "un")]
    assert len(notes) == 1
    assert f"{written.count('&')} named entities of HTML, undeclared, read as the characters that they are" in notes[0]
    assert "(the first: x.tmx:4: &" in notes[0]


@pytest.mark.parametrize("doctype", DOCTYPES)
def test_an_entity_that_nobody_knows_is_one_reject_that_names_it(tmp_path, doctype):
    rows, _ = read_tmx(tmp_path, tmx("one", "a &company; b", "two", head=f'<?xml version="1.0"?>{doctype}'))
    assert [text for text, _ in sides(rows)] == ["one", "two"]
    assert reasons(rows) == [(4, "entity")]
    assert rows[1]["detail"] == "the entity 'company' is neither XML's nor HTML's"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("a&#x1F;b", "ab"), ("a&#0;b", "ab"), ("a&#xFFFF;b", "ab"), ("a&#xD800;b", "ab"), ("a&#11;b", "a b"),
        ("a&#x0C;b", "a b"),
        ("a&#99999999999;b", "ab"), ("don&#146;t", "don’t"), ("a\x1fb", "ab"), ("a\x0bb", "a b"), ("a\ufffeb", "ab"),
    ],
)  # fmt: skip
def test_characters_that_xml_forbids_go_and_are_counted(tmp_path, written, text):
    rows, notes = read_tmx(tmp_path, tmx(written))
    assert sides(rows) == [(text, "un")]
    assert len(notes) == 1
    assert notes[0].startswith("1 ")
    assert "x.tmx:3" in notes[0]


@pytest.mark.parametrize("written", ["a&#9;b", "a&#233;b", "a&#x1F600;b", "a &amp; b &lt; &quot;", "é"])
def test_references_that_xml_allows_are_nothing_to_note(tmp_path, written):
    _, notes = read_tmx(tmp_path, tmx(written))
    assert notes == []


def test_sections_are_no_markup(tmp_path):
    rows, notes = read_tmx(tmp_path, tmx("<![CDATA[a &nbsp; <b> &#0;]]>&amp;<!-- &nope; &#0; --><?pi &nope; ?>."))
    assert sides(rows) == [("a &nbsp; <b> &#0;&.", "un")]
    assert notes == []


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_pieces_of_any_size_give_the_same_text(tmp_path, monkeypatch, size):
    text = tmx("a&nbsp;b &#x1F; <![CDATA[&nbsp;]]> <!-- x --> é", "&nope;", '<ph x="&eacute;"/>c\x0bd')
    (tmp_path / "x").write_text(text, encoding="utf-8")
    whole = "".join(xml_text.read_xml_text(file_source(tmp_path / "x", "x"), Notes()))
    monkeypatch.setattr(xml_text, "PIECE", size)
    notes = Notes()
    assert "".join(xml_text.read_xml_text(file_source(tmp_path / "x", "x"), notes)) == whole
    assert sum(int(line.split()[0]) for line in notes.lines()) == 4
    assert whole.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("a & b", "line 4, column 32"), ("AT&T", r"line 4, column \d+"), ("a < b", r"line 4, column \d+"),
        ("&nbsp;&eacute; & b", "line 4, column 45"), ("</seg>", r"line 4, column \d+"),
    ],
)  # fmt: skip
def test_what_can_not_be_mended_is_told_with_line_and_column(tmp_path, written, place):
    with pytest.raises(InputError, match=rf"x.tmx:4: not well-formed XML \(.*{place}"):
        read_tmx(tmp_path, tmx("one", written))


def test_a_bare_ampersand_is_told_with_its_cure(tmp_path):
    with pytest.raises(InputError, match=r"x.tmx:3: not well-formed XML .*; write &amp; for an ampersand"):
        read_tmx(tmp_path, tmx("a & b"))


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<?xml version="1.0" encoding="windows-1252"?>', "cp1252"),
        ("<?xml version='1.0' encoding='ISO-8859-1'?>", "latin-1"),
        ('<?xml version="1.0" encoding="UTF-16"?>', "utf-16"), ('<?xml version="1.0" encoding="utf-8"?>', "utf-8-sig"),
        ('<?xml version="1.0"?>', "utf-16-le"), ('<?xml version="1.0"?>', "utf-16-be"), ("", "utf-8"),
        ('\n <?xml version="1.0"?>', "utf-8"), ('<?xml version="1.1"?>', "utf-8"),
    ],
)  # fmt: skip
def test_encodings_declared_or_told_by_the_first_bytes(tmp_path, head, encoding):
    rows, notes = read_tmx(tmp_path, tmx("été", head=head), encoding)
    assert sides(rows) == [("été", "un")]
    assert rows[0]["line"] == 3 + head.count("\n")
    assert notes == []


def test_a_declaration_that_can_not_be_true_is_noted(tmp_path):
    rows, notes = read_tmx(tmp_path, tmx("été", head='<?xml version="1.0" encoding="utf-16"?>'))
    assert sides(rows) == [("été", "un")]
    assert notes == [
        "1 files that declare an encoding which they are not in, read as UTF-8 (the first: x.tmx:1: utf-16)"
    ]


def test_bytes_that_are_not_of_the_encoding_are_told_with_line_column_and_cure(tmp_path):
    text = tmx("one", "été")
    expected = r"x.tmx:4: byte 0xE9 is not utf-8 \(line 4, column 29\); give the corpus' 'encoding'"
    with pytest.raises(InputError, match=expected):
        read_tmx(tmp_path, text, "latin-1")
    rows, _ = read_tmx(tmp_path, text.encode("latin-1"), encoding="iso8859-1")
    assert sides(rows)[1] == ("été", "un")
    with pytest.raises(InputError, match=r"x.tmx:1: declares the encoding 'x-none', which isn't known"):
        read_tmx(tmp_path, tmx("x", head='<?xml version="1.0" encoding="x-none"?>'))


EMBEDDED = {
    "internal-file": "<header><skl><internal-file form='base64'>{0}</internal-file></skl></header>",
    "prefixed": "<x:internal-file xmlns:x='y'>{0}</x:internal-file>",
    "cdata": "<header><skl><internal-file><![CDATA[<a>{0}]]></internal-file></skl></header>",
    "skeleton": "<skeleton><other xmlns='x'><y>{0}</y></other></skeleton>",
    "bin-unit": "<bin-unit id='b'><bin-source><internal-file>{0}</internal-file></bin-source></bin-unit>",
    "another element": "<note>{0}</note>",
    "comment": "<!--{0}-->",
}


@pytest.mark.parametrize("kind", EMBEDDED)
def test_embedded_documents_of_many_mb_stream_by(tmp_path, kind):
    """24 MiB of base64, more than libxml2's limit of one text and the readers' of one unit."""
    line = "QUJD" * 19 + "\n"
    document = EMBEDDED[kind].format(line * ((24 << 20) // len(line)))
    unit = "<trans-unit id='1'><source>one</source><target>un</target></trans-unit>"
    head = "<xliff version='1.2'><file source-language='en' target-language='fr'>"
    text = f"{head}{document}<body>{unit}</body></file></xliff>"
    (tmp_path / "x.xlf").write_text(text)
    request = ask(tmp_path, "x.xlf", "en-fr")
    tracemalloc.start()
    rows = read("xliff", request)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sides(rows) == [("one", "un")]
    assert rows[0]["line"] == 1 + text.count("\n")
    assert peak < 12 << 20


def test_a_segment_that_is_longer_than_any_line_is_one_reject(tmp_path):
    rows, _ = read_tmx(tmp_path, tmx("one", "x" * (12 << 20), "two"))
    assert [text for text, _ in sides(rows)] == ["one", "two"]
    assert reasons(rows) == [(4, "line-too-long")]
