"""The formats' own marks of quality: what is left out by default, what is taken and counted, what a corpus may decide."""

import pytest
from corpus_reading import ask, read, sides

from pipeline.config.prepare import Corpus
from pipeline.corpora.base import LEFT_OUT, MARKS
from pipeline.corpora.registry import corpus_request, reader_of
from pipeline.ground.languages import LanguagePair

XLIFF1 = """<xliff version="1.2" xmlns:m="http://www.memsource.com/mxlf/2.0"
xmlns:sdl="http://sdl.com/FileTypes/SdlXliff/1.0"><file source-language="en" target-language="fr"><body>
{0}</body></file></xliff>"""
XLIFF2 = """<xliff version="2.0" srcLang="en" trgLang="fr"><file id="f"><unit id="1"><segment {0}><source>one</source>
<target>un</target></segment></unit></file></xliff>"""
TMX = '<tmx version="1.4"><body>{0}</body></tmx>'


def trans_unit(unit="", target="", more=""):
    return XLIFF1.format(
        f"<trans-unit id='1' {unit}><source>one</source><target {target}>un</target>{more}</trans-unit>"
    )


def tu(unit="", props="", variant=""):
    return TMX.format(
        f'<tu {unit}>{props}<tuv xml:lang="en"><seg>one</seg></tuv><tuv xml:lang="fr" {variant}><seg>un</seg></tuv></tu>'
    )


def prop(kind, value):
    return tu(props=f'<prop type="{kind}">{value}</prop>')


def seg_defs(seg):
    return trans_unit(more=f'<sdl:seg-defs><sdl:seg id="1" {seg}/></sdl:seg-defs>')


STATES = [
    ("new", "untranslated"), ("needs-translation", "untranslated"), ("needs-l10n", "untranslated"),
    ("needs-adaptation", None), ("needs-review-translation", None), ("needs-review-adaptation", None),
    ("needs-review-l10n", None),
    ("translated", None),
    ("signed-off", None), ("final", None), ("x-own", None),
]  # fmt: skip
QUALIFIERS = [
    ("exact-match", None), ("id-match", None), ("fuzzy-match", "fuzzy"), ("mt-suggestion", "fuzzy"),
    ("tm-suggestion", "fuzzy"), ("leveraged-mt", None), ("leveraged-tm", None), ("leveraged-glossary", None),
    ("leveraged-inherited", None),
    ("leveraged-repository", None), ("rejected-grammar", "rejected"), ("rejected-inaccurate", "rejected"),
    ("rejected-length", "rejected"), ("rejected-spelling", "rejected"),
]  # fmt: skip
ROWS = [
    *[("xliff", trans_unit(target=f'state="{state}"'), reason) for state, reason in STATES],
    *[("xliff", trans_unit(target=f'state-qualifier="{value}"'), reason) for value, reason in QUALIFIERS],
    ("xliff", trans_unit(target='state="translated" state-qualifier="fuzzy-match"'), None),
    ("xliff", trans_unit(target='state="needs-translation" state-qualifier="exact-match"'), "untranslated"),
    ("xliff", trans_unit(unit='approved="yes"', target='state-qualifier="mt-suggestion"'), None),
    ("xliff", trans_unit(unit='approved="no"'), None),
    ("xliff", trans_unit(unit='translate="no"'), "not-to-translate"),
    ("xliff", trans_unit().replace("<body>", '<body><group translate="no">').replace("</body>", "</group></body>"),
     "not-to-translate"),
    ("xliff", trans_unit(unit='m:confirmed="0"'), None),
    ("xliff", trans_unit(unit='m:confirmed="1" m:trans-origin="mt"'), None),
    ("xliff", seg_defs('conf="Translated" origin="mt"'), None),
    ("xliff", seg_defs('conf="ApprovedSignOff"'), None),
    ("xliff", seg_defs('conf="Draft" origin="mt"'), "fuzzy"),
    ("xliff", seg_defs('conf="RejectedTranslation"'), "rejected"),
    ("xliff", seg_defs(""), "untranslated"),
    ("xliff", XLIFF2.format(""), None),
    ("xliff", XLIFF2.format('state="initial"'), "untranslated"),
    ("xliff", XLIFF2.format('state="translated"'), None),
    ("xliff", XLIFF2.format('state="reviewed"'), None),
    ("xliff", XLIFF2.format('state="final" subState="my:fuzzy-match"'), None),
    ("xliff", XLIFF2.format('subState="my:fuzzy-match"'), "fuzzy"),
    ("xliff", XLIFF2.format('state="translated" subState="my:rejected-inaccurate"'), "rejected"),
    ("xliff", XLIFF2.format('approved="no"'), None),
    ("xliff", XLIFF2.format("").replace("<unit ", '<unit translate="no" '), "not-to-translate"),
    ("xliff", XLIFF2.format("").replace("<file ", '<file translate="no" '), "not-to-translate"),
    ("xliff", XLIFF2.format("").replace("<file ", '<file translate="no" ').replace("<unit ", '<unit translate="yes" '), None),
    ("tmx", tu(), None),
    ("tmx", tu(unit='usagecount="0"'), None),
    ("tmx", tu(variant='creationid="MT!"'), None),
    ("tmx", prop("x-ConfirmationLevel:SingleString", "Draft"), "fuzzy"),
    ("tmx", prop("x-ConfirmationLevel:SingleString", "ApprovedTranslation"), None),
    ("tmx", prop("x-ConfirmationLevel", "RejectedTranslation"), "rejected"),
    ("tmx", prop("state", "needs-translation"), "untranslated"),
    ("tmx", prop("status", "untranslated"), "untranslated"),
    ("tmx", prop("x-untranslated", "true"), "untranslated"),
    ("tmx", prop("x-untranslated", "no"), None),
    ("tmx", prop("fuzzy", ""), "fuzzy"),
    ("tmx", prop("approved", "no"), None),
    ("tmx", prop("x-origin", "MT"), None),
    ("tmx", prop("x-Context", "new"), None),
]  # fmt: skip


def read_text(tmp_path, kind, text, **more):
    (tmp_path / "x").write_text(text, encoding="utf-8")
    request = ask(tmp_path, "x", "en-fr", **more)
    return read(kind, request), request


@pytest.mark.parametrize(("kind", "text", "reason"), ROWS)
def test_marks_count_as_their_standard_says(tmp_path, kind, text, reason):
    rows, _ = read_text(tmp_path, kind, text)
    assert [row["reason"] for row in rows] == [reason]
    assert (rows[0]["a"], rows[0]["b"]) == ("one", "un")


@pytest.mark.parametrize(
    ("kind", "text", "mark"),
    [
        ("xliff", trans_unit(target='state="new"'), "untranslated"),
        ("xliff", trans_unit(unit='approved="no"'), "unapproved"),
        ("xliff", trans_unit(target='state="needs-review-translation"'), "unapproved"),
        ("xliff", trans_unit(unit='m:confirmed="0" m:trans-origin="mt"'), "unapproved"),
        ("xliff", trans_unit(target='state-qualifier="leveraged-mt"'), "machine"),
        ("xliff", XLIFF2.format('approved="no"'), "unapproved"),
        ("tmx", tu(variant='changeid="MT!"'), "machine"),
        ("tmx", prop("origin", "nmt"), "machine"),
        ("tmx", prop("validated", "false"), "unapproved"),
    ],
)
def test_a_corpus_decides_and_what_is_taken_is_counted(tmp_path, kind, text, mark):
    rows, request = read_text(tmp_path, kind, text, leave_out=())
    assert [row["reason"] for row in rows] == [None]
    assert request.notes.lines()[0].startswith(
        f"1 units are taken that are marked {mark} ('leave_out' decides) (the first: x:"
    )
    rows, request = read_text(tmp_path, kind, text, leave_out=(mark,))
    assert [row["reason"] for row in rows] == [mark]
    assert request.notes.lines() == []


def test_the_detail_is_what_was_found(tmp_path):
    rows, _ = read_text(tmp_path, "xliff", trans_unit(target='state="needs-translation"'))
    assert rows[0]["detail"] == "state needs-translation"


def test_segments_have_states_of_their_own(tmp_path):
    mrk = '<mrk mtype="seg" mid="{0}">{1}</mrk>'.format
    text = XLIFF1.format(
        f"<trans-unit id='1'><source>{mrk(1, 'One.')}{mrk(2, 'Two.')}</source>"
        f"<target>{mrk(1, 'Un.')}{mrk(2, 'Deux.')}</target>"
        '<sdl:seg-defs><sdl:seg id="1" conf="Translated"/><sdl:seg id="2" conf="Draft"/></sdl:seg-defs></trans-unit>'
    )
    rows, _ = read_text(tmp_path, "xliff", text)
    assert [(row["a"], row["b"], row["reason"]) for row in rows] == [("One.", "Un.", None), ("Two.", "Deux.", "fuzzy")]


@pytest.mark.parametrize(
    ("target", "reason"), [("", "untranslated"), ("<target/>", "untranslated"), ("<target>un</target>", None)]
)
def test_alternatives_and_matches_are_no_target(tmp_path, target, reason):
    alternative = "<alt-trans match-quality='80'><source>onee</source><target>unn</target></alt-trans>"
    unit = f"<trans-unit id='1'><source>one</source>{target}{alternative}</trans-unit>"
    rows, _ = read_text(tmp_path, "xliff", XLIFF1.format(f"<group><group>{unit}</group></group>"))
    assert [row["reason"] for row in rows] == [reason]
    matches = "<m><match ref='#1'><source>onee</source><target>unn</target></match></m><notes><note>x</note></notes>"
    ignorable = "<ignorable><source> </source><target> </target></ignorable>"
    text = XLIFF2.format("").replace("<target>un</target>", target).replace("<segment", f"{matches}{ignorable}<segment")
    rows, _ = read_text(tmp_path, "xliff", text)
    assert [row["reason"] for row in rows] == [reason]


def test_one_sided_text_has_marks_on_its_target_only(tmp_path):
    (tmp_path / "x").write_text(trans_unit(target='state="new"'))
    assert sides(read("xliff", ask(tmp_path, "x", "en"))) == [("one", None)]
    assert [row["reason"] for row in read("xliff", ask(tmp_path, "x", "fr"))] == ["untranslated"]


def test_leave_out_is_for_formats_with_marks(tmp_path):
    assert set(LEFT_OUT) < set(MARKS)
    made = [
        Corpus.model_validate({"name": "c", "format": "tmx", "path": "x", **more})
        for more in ({"leave_out": ["machine"]}, {})
    ]
    requests = [corpus_request(corpus, [LanguagePair("en", "fr")], tmp_path) for corpus in made]
    readers = [reader_of(corpus) for corpus in made]
    assert [reader.asked(asked).leave_out for reader, asked in zip(readers, requests, strict=True)] == [
        ("machine",),
        LEFT_OUT,
    ]
    with pytest.raises(ValueError, match=r"leave_out\n  Extra inputs are not permitted"):
        Corpus.model_validate({"name": "c", "format": "tsv", "path": "x", "leave_out": []})
    with pytest.raises(ValueError, match="leave_out"):
        Corpus.model_validate({"name": "c", "format": "tmx", "path": "x", "leave_out": ["bad"]})
