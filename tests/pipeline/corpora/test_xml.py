import gzip
import re

import pytest
from corpus_reading import ask, read, reasons, sides

from pipeline.console.errors import InputError

TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/><body>
<tu><tuv xml:lang="en-US"><seg>Press <bpt i="1">&lt;b></bpt>OK<ept i="1">&lt;/b></ept> <hi>now</hi>.</seg></tuv>
<tuv xml:lang="FR"><seg>Appuyez.</seg></tuv><tuv xml:lang="fr-CA"><seg>Pesez.</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>alone</seg></tuv></tu>
<tu><tuv lang="en"><seg>one</seg></tuv><tuv lang="ko"><seg>하나</seg></tuv><tuv lang="fr"><seg>un</seg></tuv></tu>
</body></tmx>
"""


def test_tmx_variants_codes_and_lines(tmp_path):
    (tmp_path / "x.tmx.gz").write_bytes(gzip.compress(TMX.encode()))
    rows = read("tmx", ask(tmp_path, "x.tmx.gz", "en-fr", "en-ko"))
    french = [row for row in rows if row["pair"] == "en-fr"]
    assert sides(french) == [("Press OK now.", "Appuyez."), ("Press OK now.", "Pesez."), ("one", "un")]
    assert reasons(french) == [(6, "missing-side")]
    assert french[0]["line"] == 4
    assert sides([row for row in rows if row["pair"] == "en-ko"]) == [("one", "하나")]


def test_utf16_tmx(tmp_path):
    (tmp_path / "x.tmx").write_bytes(TMX.replace("UTF-8", "UTF-16").encode("utf-16"))
    assert len(sides(read("tmx", ask(tmp_path, "x.tmx", "en-fr")))) == 3


def document(path, body, head=""):
    path.write_text(f'<?xml version="1.0"?>{head}<tmx version="1.4"><body>{body}</body></tmx>')
    return ask(path.parent, path.name, "en-fr")


def unit(a, b):
    return f'<tu><tuv xml:lang="en"><seg>{a}</seg></tuv><tuv xml:lang="fr"><seg>{b}</seg></tuv></tu>'


def test_declared_entities_stop_the_reading(tmp_path):
    bomb = '<!DOCTYPE tmx [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    with pytest.raises(InputError, match=r"x.tmx:1: its DOCTYPE declares entities"):
        read("tmx", document(tmp_path / "x.tmx", unit("&b;", "x"), bomb))
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    leak = f'<!DOCTYPE tmx [<!ENTITY a SYSTEM "file://{secret}">]>'
    with pytest.raises(InputError, match=r"declares entities"):
        read("tmx", document(tmp_path / "x.tmx", unit("&a;", "x"), leak))


def test_an_external_dtd_is_never_loaded(tmp_path):
    (tmp_path / "evil.dtd").write_text('<!ENTITY a "from the DTD">')
    head = f'<!DOCTYPE tmx SYSTEM "file://{tmp_path}/evil.dtd">'
    rows = read("tmx", document(tmp_path / "x.tmx", unit("one &a;", "un") + unit("two", "deux"), head))
    assert sides(rows) == [("two", "deux")]
    assert [row["reason"] for row in rows] == ["entity", None]


def test_deep_nesting_and_truncation_name_the_line(tmp_path):
    deep = unit("<hi>" * 5000 + "x" + "</hi>" * 5000, "y")
    with pytest.raises(InputError, match=r"x.tmx:1: not well-formed XML \(.*depth"):
        read("tmx", document(tmp_path / "x.tmx", deep))
    (tmp_path / "y.tmx").write_text(TMX[: len(TMX) // 2])
    with pytest.raises(InputError, match=r"y.tmx:\d+: not well-formed XML"):
        read("tmx", ask(tmp_path, "y.tmx", "en-fr"))


def test_memory_does_not_grow_with_a_tmx(tmp_path):
    resource = pytest.importorskip("resource")
    request = document(tmp_path / "x.tmx", unit("one " * 40, "un " * 40) * 60_000)
    read("tmx", document(tmp_path / "y.tmx", unit("one", "un")))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    from pipeline.corpora.registry import plain_reader

    reader = plain_reader("tmx")
    count = sum(chunk.frame.height for found in reader.units(request) for chunk in reader.read(found, request))
    assert count == 60_000
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 150 * 1024  # KiB; the file's tree would take three times as much


XLIFF1 = """<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
<file original="a.html" source-language="en-GB" target-language="fr"><body>
<trans-unit id="1"><source>Save <g id="1">now</g><x id="2"/></source><target>Enregistrer</target>
<alt-trans><target>Garder</target></alt-trans></trans-unit>
<trans-unit id="2"><source>Untouched</source></trans-unit>
</body></file></xliff>"""
XLIFF2 = """<xliff version="2.0" srcLang="fr" trgLang="en" xmlns="urn:oasis:names:tc:xliff:document:2.0"><file id="f">
<unit id="1"><segment><source>Un <pc id="1">deux</pc></source><target>One two</target></segment>
<segment><source>Trois</source><target>Three</target></segment></unit></file></xliff>"""


def test_xliff_of_both_versions(tmp_path):
    (tmp_path / "x.xlf").write_text(XLIFF1)
    rows = read("xliff", ask(tmp_path, "x.xlf", "en-fr"))
    assert sides(rows) == [("Save now", "Enregistrer")]
    assert reasons(rows) == [(5, "untranslated")]
    assert rows[0]["doc"] == "a.html"
    (tmp_path / "y.xlf").write_text(XLIFF2)
    assert sides(read("xliff", ask(tmp_path, "y.xlf", "en-fr"))) == [("One two", "Un deux"), ("Three", "Trois")]


def test_xliff_without_languages(tmp_path):
    (tmp_path / "x.xlf").write_text("<xliff><file><trans-unit><source>a</source></trans-unit></file></xliff>")
    with pytest.raises(InputError, match=r"x.xlf:1: doesn't say its source language"):
        read("xliff", ask(tmp_path, "x.xlf", "en-fr"))


XLIFF_FILE = (
    '<file original="x" {0}><body><trans-unit id="1"><source {1}>one</source><target {2}>un</target></trans-unit></body>'
    "</file>"
)


def xliff(*files):
    return '<xliff version="1.2">' + "\n".join(files) + "</xliff>"


@pytest.mark.parametrize(
    ("name", "path", "pairs", "note"),
    [
        ("x.xlf", "x.xlf", ("en-fr",), "the corpus' languages"),
        ("x.xlf", "x.xlf", ("fr-en",), "the corpus' languages"),
        ("x.fr.xlf", "x.{lang}.xlf", ("en-fr", "en-ko"), "their path"),
        ("en-fr.xlf", "{a}-{b}.xlf", ("en-fr", "en-ko"), "their path"),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_the_target_language_that_an_xliff_does_not_say(tmp_path, version, name, path, pairs, note):
    text = xliff(XLIFF_FILE.format('source-language="en"', "", ""))
    if version == 2:
        text = (
            XLIFF2.replace('srcLang="fr" trgLang="en"', 'srcLang="en"')
            .replace("One two", "un")
            .replace("Three", "trois")
        )
    (tmp_path / name).write_text(text)
    request = ask(tmp_path, path, *pairs)
    rows = [row for row in read("xliff", request) if row["reason"] is None]
    assert {row["pair"] for row in rows} == {pairs[0]}
    assert rows[0]["a" if pairs[0] == "en-fr" else "b"] == ("one" if version == 1 else "Un deux")
    attribute = "target-language" if version == 1 else "trgLang"
    assert request.notes.lines()[0].startswith(
        f"{len(rows)} segments without {attribute}, whose language is taken from {note} (the first: {name}:"
    )


@pytest.mark.parametrize("version", [1, 2])
def test_a_target_language_that_can_not_be_told_is_an_error_that_names_the_attribute(tmp_path, version):
    text = xliff(XLIFF_FILE.format('source-language="en"', "", ""))
    if version == 2:
        text = XLIFF2.replace('srcLang="fr" trgLang="en"', 'srcLang="en"')
    (tmp_path / "x.xlf").write_text(text)
    attribute = "target-language on file" if version == 1 else "trgLang on xliff"
    with pytest.raises(
        InputError, match=rf"may be fr or ko; expected the attribute {attribute}, {{lang}} in the corpus' path"
    ):
        read("xliff", ask(tmp_path, "x.xlf", "en-fr", "en-ko"))


def test_every_file_of_an_xliff_has_languages_of_its_own(tmp_path):
    fr = XLIFF_FILE.format('source-language="en" target-language="fr"', "", "")
    ko = XLIFF_FILE.format('source-language="en" target-language="ko"', "", "")
    back = XLIFF_FILE.format('source-language="fr" target-language="en"', "", "")
    own = XLIFF_FILE.format('source-language="en"', 'xml:lang="en"', 'xml:lang="ko"')
    other = XLIFF_FILE.format('source-language="en" target-language="de"', "", "")
    (tmp_path / "x.xlf").write_text(xliff(fr, ko, back, own, other))
    rows = read("xliff", ask(tmp_path, "x.xlf", "en-fr", "en-ko"))
    assert sorted((row["pair"], row["line"], row["a"], row["reason"]) for row in rows) == [
        ("en-fr", 1, "one", None), ("en-fr", 3, "un", None), ("en-fr", 5, "", "missing-side"), ("en-ko", 2, "one", None),
        ("en-ko", 4, "one", None),
    ]  # fmt: skip
    assert next(row["detail"] for row in rows if row["line"] == 5) == "the file is in en and de"


def test_one_language_of_a_pair_needs_no_target_language(tmp_path):
    (tmp_path / "x.xlf").write_text(xliff(XLIFF_FILE.format('source-language="en"', "", "")))
    assert sides(read("xliff", ask(tmp_path, "x.xlf", "en"))) == [("one", None)]
    assert sides(read("xliff", ask(tmp_path, "x.xlf", "fr"))) == [("un", None)]


@pytest.mark.parametrize(
    ("variants", "detail"),
    [
        (
            '<tuv xml:lang="en"/><tuv xml:lang="fr"><seg>un</seg></tuv>',
            r"no variant in en \(found: en without seg, fr\)",
        ),
        (
            "<tuv><seg>one</seg></tuv><tuv lang='fr'><seg>un</seg></tuv>",
            r"no variant in en \(found: one without xml:lang, fr\)",
        ),
        ('<tuv xml:lang="de"><seg>eins</seg></tuv>', r"no variant in en \(found: de\)"),
    ],
)
def test_a_tmx_unit_without_a_side_says_what_it_has(tmp_path, variants, detail):
    rows = read("tmx", document(tmp_path / "x.tmx", f"<tu>{variants}</tu>"))
    assert re.fullmatch(detail, rows[0]["detail"])


def test_a_tmx_header_of_all_languages_and_its_segments_encodings(tmp_path):
    text = (
        '<tmx version="1.4"><header srclang="*all*"><ude name="x"><map unicode="#xF8FF" code="#xF0"/></ude></header><body>'
        '<tu srclang="*all*"><tuv xml:lang="fr" o-encoding="cp850"><seg>un</seg></tuv><tuv xml:lang="en"><seg>one</seg></tuv>'
        "</tu></body></tmx>"
    )
    (tmp_path / "x.tmx").write_text(text)
    assert sides(read("tmx", ask(tmp_path, "x.tmx", "en-fr"))) == [("one", "un")]
