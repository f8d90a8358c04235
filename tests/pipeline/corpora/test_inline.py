"""White space that inline elements carry: a row for each element of TMX 1.4, XLIFF 1.2 and XLIFF 2."""

import pytest
from corpus_reading import ask, read, sides

from pipeline.corpora.inline import ROLES, stands_for_space

BR = "&lt;br/&gt;"
TMX = [
    ("bpt", 'one<bpt i="1">&lt;p&gt;</bpt>two<ept i="1"/>', "one two"),
    ("bpt", 'one<bpt i="1">&lt;b&gt;</bpt>two<ept i="1"/>', "onetwo"),
    ("ept", 'one<bpt i="1"/>two<ept i="1">&lt;/p&gt;</ept>three', "onetwo three"),
    ("ept", 'one<bpt i="1"/>two<ept i="1">&lt;/b&gt;</ept>three', "onetwothree"),
    ("hi", "one <hi>two</hi>three", "one twothree"),
    ("hi", 'one<hi type="x-li">two</hi><hi type="x-li">three</hi>', "one two three"),
    ("it", f'one<it pos="begin">{BR}</it>two', "one two"),
    ("it", 'one<it pos="begin">\\cf1 </it>two', "onetwo"),
    ("ph", f"one<ph>{BR}</ph>two", "one two"),
    ("ph", f"one<ph>{BR}</ph> two", "one two"),
    ("ph", f"one<ph>{BR}</ph>", "one"),
    ("ph", "one<ph>{0}</ph>two", "onetwo"),
    ("ph", 'one<ph type="lb"/>two', "one two"),
    ("ph", "one<ph>\\n</ph>two", "one two"),
    ("ph", "one<ph>&#9;</ph>two", "one two"),
    ("ph", f"one<ph>{BR}</ph><ph>{BR}</ph>two", "one two"),
    ("sub", 'one<ph>&lt;img alt="<sub>a picture</sub>"&gt;</ph>two', "onetwo"),
    ("sub", "one<sub>a flow of its own</sub>two", "one two"),
    ("ut", "one<ut>{\\tab }</ut>two", "one two"),
    ("ut", "one<ut>{\\b </ut>two", "onetwo"),
    ("none of TMX's", "one<br/>two<b>three</b>", "one twothree"),
]
XLIFF1 = [
    ("g", 'one<g id="1">two</g>three', "onetwothree"),
    ("g", '<g id="1" ctype="x-html-li">one</g><g id="2" ctype="x-html-li">two</g>', "one two"),
    ("x", 'one<x id="1" ctype="lb"/>two', "one two"),
    ("x", 'one<x id="1" ctype="pb"/>two', "one two"),
    ("x", 'one<x id="1" ctype="x-tab"/>two', "one two"),
    ("x", 'one<x id="1" ctype="image"/>two', "onetwo"),
    ("x", f'one<x id="1" equiv-text="{BR}"/>two', "one two"),
    ("x", 'one<x id="1" equiv-text="{{name}}"/>two', "onetwo"),
    (
        "x",
        'one<x id="LINE_BREAK"/>two<x id="START_PARAGRAPH"/>three<x id="CLOSE_TAG_DIV_1"/>four',
        "one two three four",
    ),
    ("x", 'one<x id="START_BOLD_TEXT"/>two', "onetwo"),
    ("bx", 'one<bx id="1" ctype="x-p"/>two<ex id="2" rid="1"/>', "one two"),
    ("bx", 'one<bx id="1" ctype="bold"/>two', "onetwo"),
    ("ex", 'one<ex id="1" equiv-text="&lt;/li&gt;"/>two', "one two"),
    ("ex", 'one<ex id="1"/>two', "onetwo"),
    ("ph", 'one<ph id="1">\\line </ph>two', "one two"),
    ("ph", 'one<ph id="1">%s</ph>two', "onetwo"),
    ("bpt", 'one<bpt id="1">&lt;td&gt;</bpt>two<ept id="1"/>', "one two"),
    ("ept", 'one<bpt id="1"/>two<ept id="1">&lt;/td&gt;</ept>three', "onetwo three"),
    ("it", 'one<it id="1" pos="open">&lt;w:br/&gt;</it>two', "one two"),
    ("mrk", 'one<mrk mtype="term">two</mrk>three', "onetwothree"),
    ("mrk", 'a <mrk mtype="x-sdl-deleted">one</mrk><mrk mtype="x-sdl-added">two</mrk>', "a two"),
    ("sub", 'one<ph id="1">&lt;a title="<sub>a title</sub>"&gt;</ph>two', "onetwo"),
]
XLIFF2 = [
    ("pc", 'one<pc id="1">two</pc>three', "onetwothree"),
    ("pc", 'one<pc id="1" dataRefStart="p" dataRefEnd="q">two</pc>three', "one two three"),
    ("pc", 'one<pc id="1" dataRefStart="b" dataRefEnd="b">two</pc>three', "onetwothree"),
    ("ph", 'one<ph id="1" dataRef="br"/>two', "one two"),
    ("ph", 'one<ph id="1" dataRef="b"/>two', "onetwo"),
    ("ph", 'one<ph id="1" dataRef="vt"/>two', "one two"),
    ("ph", 'one<ph id="1" type="fmt" subType="xlf:lb"/>two', "one two"),
    ("ph", 'one<ph id="1" type="fmt" subType="xlf:pb"/>two', "one two"),
    ("ph", 'one<ph id="1" type="fmt" subType="xlf:var"/>two', "onetwo"),
    ("ph", 'one<ph id="1" equiv=" "/>two', "one two"),
    ("ph", 'one<ph id="1" disp="[tab]"/>two', "one two"),
    ("sc", 'one<sc id="1" dataRef="p"/>two<ec startRef="1"/>three', "one twothree"),
    ("ec", 'one<sc id="1"/>two<ec startRef="1" dataRef="q"/>three', "onetwo three"),
    ("cp", 'one<cp hex="000B"/>two', "one two"),
    ("cp", 'one<cp hex="001F"/>two', "onetwo"),
    ("mrk", 'one<mrk id="1" type="term">two</mrk>three', "onetwothree"),
    ("sm", 'one<sm id="1" type="comment"/>two<em startRef="1"/>three', "onetwothree"),
    ("em", 'one<sm id="1"/>two<em startRef="1"/>three', "onetwothree"),
]
FILES = {
    "tmx": '<tmx version="1.4"><body><tu><tuv xml:lang="en"><seg>{0}</seg></tuv><tuv xml:lang="fr"><seg>x</seg></tuv></tu>'
    "</body></tmx>",
    "xliff1": '<xliff version="1.2"><file source-language="en" target-language="fr"><body><trans-unit id="1"><source>{0}'
    "</source><target>x</target></trans-unit></body></file></xliff>",
    "xliff2": '<xliff version="2.1" srcLang="en" trgLang="fr"><file id="f"><unit id="1"><originalData>'
    '<data id="br">&lt;br&gt;</data><data id="b">&lt;b&gt;</data><data id="p">&lt;p&gt;</data><data id="q">&lt;/p&gt;</data>'
    '<data id="vt"><cp hex="000B"/></data></originalData><segment><source>{0}</source><target>x</target>'
    "</segment></unit></file></xliff>",
}
ROWS = [(kind, *row) for kind, rows in (("tmx", TMX), ("xliff1", XLIFF1), ("xliff2", XLIFF2)) for row in rows]


def source_text(tmp_path, kind, inline):
    (tmp_path / "x").write_text(FILES[kind].format(inline), encoding="utf-8")
    return sides(read(kind.rstrip("12"), ask(tmp_path, "x", "en-fr")))[0][0]


@pytest.mark.parametrize(("kind", "element", "inline", "text"), ROWS)
def test_codes_leave_the_white_space_that_they_stand_for(tmp_path, kind, element, inline, text):
    assert source_text(tmp_path, kind, inline) == text


def test_every_inline_element_has_a_row():
    assert {element for _, element, _, _ in ROWS} >= set(ROLES)


@pytest.mark.parametrize("kind", FILES)
def test_white_space_that_is_there_stays_as_it_is(tmp_path, kind):
    assert source_text(tmp_path, kind, "one  two\nthree") == "one  two\nthree"


@pytest.mark.parametrize(
    ("code", "space"),
    [
        ("<br />", True), ("<BR>", True), ("</td><td>", True), ("<text:tab/>", True), ("<text:s/>", True), ("<s>", False),
        ("&lt;br&gt;", True), ("\\par", True), ("\\pard", False), ("\\partial", False), ("\\~", True), ("\\\\", True),
        ("\\t", True), ("\\textbf{", False), ("&nbsp;", True), ("&#xA;", True), ("&#65;", False), ("&eacute;", False),
        ("\u00a0", True), ("\n", True), ("<span> ", True), ("<span>", False), ("<img alt='p'>", False), ("{br}", True),
        ("{user}", False), ('<mq:ch val="\t" />', True), ('<mq:ch val="x" />', False), ("<w:instrText>", False),
    ],
)  # fmt: skip
def test_what_a_code_stands_for(code, space):
    assert stands_for_space(code) is space


SEGMENTS = """<xliff version="1.2"><file source-language="{lang}" target-language="fr"><body><trans-unit id="1">
<source>{source}</source><target>{target}</target></trans-unit></body></file></xliff>"""


@pytest.mark.parametrize(
    ("lang", "first", "second", "joined"),
    [("en", "One.", "Two.", "One. Two."), ("ja", "一。", "二。", "一。二。"), ("ja", "一。", "Two.", "一。 Two.")],
)
def test_segments_that_meet_do_not_glue(tmp_path, lang, first, second, joined):
    """The target has one segment less, so the unit is one pair."""
    source = f'<mrk mtype="seg" mid="1">{first}</mrk><mrk mtype="seg" mid="2">{second}</mrk>'
    text = SEGMENTS.format(lang=lang, source=source, target='<mrk mtype="seg" mid="1">Un et deux.</mrk>')
    (tmp_path / "x.xlf").write_text(text, encoding="utf-8")
    assert [set(pair) for pair in sides(read("xliff", ask(tmp_path, "x.xlf", f"{lang}-fr")))] == [
        {joined, "Un et deux."}
    ]


@pytest.mark.parametrize("between", ["", " ", '<x id="1"/>'])
def test_units_that_are_segmented_alike_give_a_pair_a_segment(tmp_path, between):
    source = "One. Two.</source><seg-source>" + between.join(
        f'<mrk mtype="seg" mid="{mid}">{text}</mrk>' for mid, text in enumerate(("One.", "Two."))
    )
    target = between.join(f'<mrk mtype="seg" mid="{mid}">{text}</mrk>' for mid, text in enumerate(("Un.", "Deux.")))
    text = SEGMENTS.format(lang="en", source=source, target=target).replace(
        "</source><target>", "</seg-source><target>"
    )
    (tmp_path / "x.xlf").write_text(text, encoding="utf-8")
    assert sides(read("xliff", ask(tmp_path, "x.xlf", "en-fr"))) == [("One.", "Un."), ("Two.", "Deux.")]


def test_segments_in_another_order_are_one_pair(tmp_path):
    source = '<mrk mtype="seg" mid="1">One.</mrk><mrk mtype="seg" mid="2">Two.</mrk>'
    target = '<mrk mtype="seg" mid="2">Deux.</mrk><mrk mtype="seg" mid="1">Un.</mrk>'
    (tmp_path / "x.xlf").write_text(SEGMENTS.format(lang="en", source=source, target=target), encoding="utf-8")
    assert sides(read("xliff", ask(tmp_path, "x.xlf", "en-fr"))) == [("One. Two.", "Deux. Un.")]


SDL = """<xliff xmlns="urn:oasis:names:tc:xliff:document:1.2" xmlns:sdl="http://sdl.com/FileTypes/SdlXliff/1.0" version="1.2">
<file original="a.docx" source-language="en-US" target-language="fr-FR"><header>
<reference><internal-file form="base64">QUJD</internal-file></reference>
<tag-defs xmlns="http://sdl.com/FileTypes/SdlXliff/1.0"><tag id="1"><bpt name="cf">&lt;cf bold="True"&gt;</bpt><ept
name="cf">&lt;/cf&gt;</ept></tag><tag id="2"><ph name="br">&lt;br/&gt;</ph></tag>
<tag id="3"><st name="td">&lt;td/&gt;</st></tag></tag-defs></header><body><trans-unit id="u"><source>one</source>
<seg-source><g id="1"><mrk mtype="seg" mid="1">First<x id="2"/>line.</mrk>
</g><mrk mtype="seg" mid="2">A<x id="3"/>B <g id="1">bold</g>.</mrk></seg-source><target><g id="1"><mrk mtype="seg"
mid="1">Première<x id="2"/>ligne.</mrk></g><mrk mtype="seg" mid="2">A<x id="3"/>B <g id="1">gras</g>.</mrk></target>
</trans-unit></body></file></xliff>"""


def test_sdlxliff_codes_stand_in_the_header(tmp_path):
    (tmp_path / "x.sdlxliff").write_text(SDL)
    assert sides(read("xliff", ask(tmp_path, "x.sdlxliff", "en-fr"))) == [
        ("First line.", "Première ligne."), ("A B bold.", "A B gras."),
    ]  # fmt: skip


MXLIFF = """<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2" xmlns:m="http://www.memsource.com/mxlf/2.0">
<file source-language="en" target-language="fr"><body><trans-unit id="1" m:confirmed="1">
<source>First{{1}}line {{2&gt;is&lt;2}} {{3}}</source>
<target>Une{{1}}ligne {{2&gt;est&lt;2}} {{3}}</target><m:tunit-metadata>
<m:mark id="1"><m:content>&lt;br/&gt;</m:content></m:mark><m:mark id="2"><m:content>&lt;b&gt;</m:content></m:mark>
</m:tunit-metadata></trans-unit></body></file></xliff>"""


def test_mxliff_codes_stand_in_the_text(tmp_path):
    (tmp_path / "x.mxliff").write_text(MXLIFF.replace("{{", "{").replace("}}", "}"))
    assert sides(read("xliff", ask(tmp_path, "x.mxliff", "en-fr"))) == [("First line is {3}", "Une ligne est {3}")]
