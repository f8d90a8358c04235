import pytest
from corpus_reading import ask, read, reasons, sides

from pipeline.console.errors import InputError, UserError

PO = """msgid ""
msgstr ""
"Language: fr\\n"

msgid "one"
msgstr "un"

#, fuzzy
msgid "two"
msgstr "trois"

msgid "empty"
msgstr ""

msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d fichier"
msgstr[1] "%d fichiers"

msgid ""
"long "
"text"
msgstr "long texte"

#~ msgid "old"
#~ msgstr "vieux"
"""


def test_states_plurals_and_lines(tmp_path):
    (tmp_path / "fr.po").write_text(PO)
    rows = read("po", ask(tmp_path, "{lang}.po", "en-fr", languages=("en", "fr")))
    assert sides(rows) == [
        ("one", "un"),
        ("%d file", "%d fichier"),
        ("%d files", "%d fichiers"),
        ("long text", "long texte"),
    ]
    assert [reason for _, reason in reasons(rows)] == ["fuzzy", "untranslated", "obsolete"]
    assert rows[0]["line"] == 5


def test_the_header_names_the_language_where_the_path_does_not(tmp_path):
    (tmp_path / "x.po").write_text(PO)
    rows = read("po",
                ask(tmp_path, "x.po", "en-fr", "en-ko", languages=("en", "fr")))  # fmt: skip
    assert {row["pair"] for row in rows} == {"en-fr"}
    (tmp_path / "x.po").write_text(PO.replace("Language: fr", "Language: xx"))
    with pytest.raises(InputError, match=r"names no wanted Language"):
        read("po", ask(tmp_path, "x.po", "en-fr", "en-ko", languages=("en", "fr")))


def test_what_is_no_catalogue(tmp_path):
    (tmp_path / "x.po").write_text("just text\n")
    request = ask(tmp_path, "x.po", "en-fr", languages=("en", "fr"))
    with pytest.raises(InputError, match=r"x.po: holds no msgid"):
        read("po", request)
    (tmp_path / "x.po").write_text('msgid "a"\nnonsense\n')
    with pytest.raises(InputError, match=r"x.po: not valid PO"):
        read("po", request)
    (tmp_path / "x.po").write_bytes(b'msgid "a"\nmsgstr "\xe9"\n')
    with pytest.raises(InputError, match=r"x.po:2: not UTF-8; give the corpus' 'encoding'"):
        read("po", request)
    with pytest.raises(UserError, match=r"PO needs the messages' language first"):
        read("po", ask(tmp_path, "x.po", "en-fr"))


HEADER = 'msgid ""\nmsgstr ""\n"Language: {0}\\n"\n"Content-Type: text/plain; charset={1}\\n"\n\n'


@pytest.mark.parametrize(
    ("charset", "encoding", "text"),
    [
        ("ISO-8859-1", "latin-1", "été"), ("ISO-8859-2", "iso8859-2", "źle"), ("KOI8-R", "koi8-r", "файл"),
        ("EUC-JP", "euc-jp", "日本語"), ("Shift_JIS", "shift-jis", "表示"), ("GBK", "gbk", "中文"),
        ("UTF-8", "utf-8-sig", "été"),
        ("CHARSET", "utf-8", "été"), ("US-ASCII", "utf-8", "été"), ("UTF-8", "utf-16", "été"),
    ],
)  # fmt: skip
def test_the_header_says_the_charset(tmp_path, charset, encoding, text):
    content = HEADER.format("fr", charset) + f'msgid "one"\nmsgstr "{text}"\n'
    (tmp_path / "fr.po").write_bytes(content.encode(encoding))
    assert sides(read("po", ask(tmp_path, "{lang}.po", "en-fr", languages=("en", "fr")))) == [("one", text)]


def test_the_corpus_encoding_counts_more_than_the_header(tmp_path):
    content = HEADER.format("fr", "UTF-8") + 'msgid "one"\nmsgstr "été"\n'
    (tmp_path / "fr.po").write_bytes(content.encode("latin-1"))
    request = ask(tmp_path, "{lang}.po", "en-fr", languages=("en", "fr"), encoding="iso8859-1")
    assert sides(read("po", request)) == [("one", "été")]
    with pytest.raises(InputError, match=r"fr.po:7: not UTF-8; give the corpus' 'encoding' \(byte 0xE9, column 9\)"):
        read("po", ask(tmp_path, "{lang}.po", "en-fr", languages=("en", "fr")))


@pytest.mark.parametrize("charset", ["x-none", "base64", "punycode"])
def test_a_charset_that_nobody_knows(tmp_path, charset):
    (tmp_path / "fr.po").write_text(HEADER.format("fr", charset) + 'msgid "one"\nmsgstr "un"\n')
    with pytest.raises(InputError, match=rf"fr.po:4: its header has the charset '{charset}', which isn't known"):
        read("po", ask(tmp_path, "{lang}.po", "en-fr", languages=("en", "fr")))


MARKED = """msgid "two"
msgstr "deux"

#, fuzzy, c-format
#| msgid "three"
msgid "four"
msgstr "trois"

#~ msgid "old"
#~ msgstr "vieux"
"""


@pytest.mark.parametrize(
    ("leave_out", "taken", "left"),
    [
        (None, [("two", "deux")], ["fuzzy", "previous", "obsolete"]),
        ((), [("two", "deux"), ("four", "trois"), ("three", "trois"), ("old", "vieux")], []),
        (("fuzzy", "obsolete"), [("two", "deux"), ("three", "trois")], ["fuzzy", "obsolete"]),
        (("fuzzy", "previous"), [("two", "deux"), ("old", "vieux")], ["fuzzy", "previous"]),
    ],
)
def test_marked_entries_are_left_out_or_taken_and_counted(tmp_path, leave_out, taken, left):
    (tmp_path / "fr.po").write_text(MARKED)
    more = {} if leave_out is None else {"leave_out": leave_out}
    request = ask(tmp_path, "{lang}.po", "en-fr", languages=("en", "fr"), **more)
    rows = read("po", request)
    assert sides(rows) == taken
    assert [reason for _, reason in reasons(rows)] == left
    assert len(request.notes.lines()) == len(taken) - 1


def test_tags_that_separate_leave_a_space(tmp_path):
    text = 'msgid "One<br/>two <b>three</b>, press <Tab>"\nmsgstr "<p>Un</p><p>deux</p>"\n'
    (tmp_path / "fr.po").write_text(text)
    rows = read("po", ask(tmp_path, "{lang}.po", "en-fr", languages=("en", "fr")))
    assert sides(rows) == [("One two <b>three</b>, press <Tab>", "Un deux")]


def test_contexts_are_messages_of_their_own_and_copies_are_counted(tmp_path):
    entry = 'msgctxt "{0}"\nmsgid "Open"\nmsgstr "{1}"\n\n'.format
    (tmp_path / "fr.po").write_text(entry("a", "Ouvrir") + entry("b", "Ouvert") + entry("a", "Ouvre"))
    request = ask(tmp_path, "{lang}.po", "en-fr", languages=("en", "fr"))
    assert [french for _, french in sides(read("po", request))] == ["Ouvrir", "Ouvert", "Ouvre"]
    assert request.notes.lines() == ["1 messages that stand in their catalogue twice (the first: fr.po:9)"]


def test_the_path_counts_more_than_the_header_which_counts_more_than_nothing(tmp_path):
    (tmp_path / "fr.po").write_text(HEADER.format("de", "UTF-8") + 'msgid "one"\nmsgstr "un"\n')
    request = ask(tmp_path, "{lang}.po", "en-fr", languages=("en", "fr"))
    assert sides(read("po", request)) == [("one", "un")]
    assert "another Language than their path" in request.notes.lines()[0]
    with pytest.raises(InputError, match=r"fr.po: its header names no wanted Language \(found 'de'\)"):
        read("po", ask(tmp_path, "fr.po", "en-fr", languages=("en", "fr")))
    (tmp_path / "x.po").write_text(HEADER.format("en", "UTF-8") + 'msgid "one"\nmsgstr "one"\n')
    with pytest.raises(InputError, match=r"x.po: its header names no wanted Language \(found 'en'\)"):
        read("po", ask(tmp_path, "x.po", "en-fr", languages=("en", "fr")))
