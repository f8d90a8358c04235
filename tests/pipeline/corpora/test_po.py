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
