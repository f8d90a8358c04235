"""The text of a segment of TMX or XLIFF, out of the inline elements that stand for a document's own markup.

Elements that mark text (``g``, ``pc``, ``mrk``, ``hi``) leave their text; elements that hold or stand for codes leave
nothing, or, if the code is white space in the document (a line break, a tab, a paragraph), one space where there is none;
so do the borders of marked text that is a paragraph or a cell of its own. What a code stands for is told by its content, by
the attributes that the standards have for that (``ctype``, ``type``, ``subType``, ``equiv-text``, ``equiv``, ``disp``), and
by the data that it refers to (``dataRef``; the tag definitions of SDLXLIFF).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pipeline.corpora.xml import local_name
from pipeline.corpora.xml_text import CUT, ENTITY, ENTITY_END

TEXT, CODE, CHARACTER, FLOW = "text", "code", "character", "flow"
ROLES = {
    **dict.fromkeys(("hi", "g", "mrk", "pc", "sm", "em"), TEXT),
    **dict.fromkeys(("bpt", "ept", "it", "ph", "ut", "x", "bx", "ex", "sc", "ec"), CODE),
    "cp": CHARACTER,
    "sub": FLOW,
}
"""What each inline element of TMX 1.4, XLIFF 1.2 and XLIFF 2 is; any other one is taken for text."""

ATTRIBUTES = ("type", "ctype", "subType", "name")
"""Attributes that name what a code is."""

EQUIVALENTS = ("equiv-text", "equiv", "disp", "equivStart", "equivEnd", "dispStart", "dispEnd")
"""Attributes that show what a code is."""

BREAK, BORDER = "\ufdd2", "\ufdd3"
"""Where white space must be; where two segments meet, whose script may need none."""

Native = Callable[[Any], tuple[str, str]]
"""What an element refers to: the code at its start and the one at its end; empty where there is none."""

_WORDS = """
br p div li ul ol dl dt dd tr td th table thead tbody tfoot caption h1 h2 h3 h4 h5 h6 hr blockquote pre section article aside
header footer nav main figure figcaption address fieldset form option details summary
tab ptab tabstop line par para paragraph lb pb cb lf cr crlf nl nbsp sp space break linebreak newline hardreturn softreturn
hardbreak softbreak pagebreak columnbreak sectionbreak forcedlinebreak nonbreakingspace cell row
headinglevel1 headinglevel2 headinglevel3 headinglevel4 headinglevel5 headinglevel6 listitem unorderedlist orderedlist
horizontalrule tablerow tablecell
"""
_NAMES = frozenset(_WORDS.split())
"""Elements and codes that separate what is before them from what comes after: HTML's blocks, office and layout formats'."""

_PREFIXES = frozenset({"x", "html", "xlf", "okp", "w", "text"})
"""Of types: who defines them."""

_HTML = re.compile(
    r"</?(?:br|hr|p|div|li|ul|ol|dl|dt|dd|tr|td|th|table|h[1-6]|blockquote)(?:\s[^<>]{0,200})?/?>", re.IGNORECASE
)
_TAG = re.compile(r"<\s*/?\s*((?:[\w.-]+:)?[A-Za-z][\w.-]*)(?:\s[^<>]*)?/?\s*>?|&lt;\s*/?\s*([A-Za-z]\w*)[^&]*&gt;")
_CONTROL = re.compile(
    r"\\(?:tab|par|line|cell|row|page|sect|column|emspace|enspace|qmspace|newline|linebreak|quad|qquad|nestcell|nestrow)"
    r"(?![A-Za-z])|\\[nrtvf](?![A-Za-z0-9])|\\~|^\\\\$"
)
"""Control words of RTF and TeX, escapes of programming languages."""
_REFERENCE = re.compile(
    r"&(?:nbsp|emsp|ensp|thinsp|Tab|NewLine|#0*(?:9|10|11|12|13|32|133|160|8194|8195|8201|8232|8233)"
    r"|#[xX]0*(?:9|[aA]|[bB]|[cC]|[dD]|20|85|[aA]0|2002|2003|2009|2028|2029));"
)
_VALUE = re.compile(r"""\bval\s*=\s*(["'])\s+\1""")
_ANGULAR = re.compile(r"(?:START_|CLOSE_)(?:TAG_)?([A-Z0-9_]+?)(?:_[0-9]+)?|(LINE_BREAK|HORIZONTAL_RULE)(?:_[0-9]+)?")
_SPACING = re.compile(rf"\s*[{BREAK}{BORDER}][\s{BREAK}{BORDER}]*")
_DENSE = re.compile(r"[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uff9f]")
"""Characters of scripts that put no space between sentences."""


def no_reference(_element: Any) -> tuple[str, str]:
    """For formats without references."""
    return "", ""


def segment_text(element: Any, native: Native = no_reference) -> str:
    """The text of a segment, whose elements' codes ``native`` finds; what is damaged in it is still marked (`damage`)."""
    parts = list[str]()
    _collect(element, native, parts)
    return spaced("".join(parts))


def spaced(text: str) -> str:
    """A text whose `BREAK` and `BORDER` became spaces where there was no white space.

    >>> spaced(f"one{BREAK}two{BREAK} three{BREAK}"), spaced(f"一。{BORDER}二。")
    ('one two three', '一。二。')
    """
    if BREAK not in text and BORDER not in text:
        return text
    return _SPACING.sub(lambda found: _space(found, text), text)


def _space(found: re.Match[str], text: str) -> str:
    there = found[0].replace(BREAK, "").replace(BORDER, "")
    if there or found.start() == 0 or found.end() == len(text):
        return there
    dense = _DENSE.match(text, found.start() - 1) and _DENSE.match(text, found.end())
    return "" if dense and BREAK not in found[0] else " "


def without_breaks(text: str) -> str:
    """Text without the tags of HTML that separate, which become a space where there is none; other tags stay.

    >>> without_breaks("First line<br/>second <b>line</b>, press <Tab>")
    'First line second <b>line</b>, press <Tab>'
    """
    return spaced(_HTML.sub(BREAK, text)) if "<" in text else text


def damage(text: str) -> tuple[str, str] | None:
    """The reason, and what was found, why a text can't be used; None if it can."""
    if ENTITY in text:
        name = text.partition(ENTITY)[2].partition(ENTITY_END)[0]
        return "entity", f"the entity {name!r} is neither XML's nor HTML's"
    return ("line-too-long", "over 1 MiB of text") if CUT in text else None


def _collect(element: Any, native: Native, parts: list[str]) -> None:
    parts.append(element.text or "")
    for child in element:
        _inline(child, native, parts)
        parts.append(child.tail or "")


def _inline(child: Any, native: Native, parts: list[str]) -> None:
    name = local_name(child)
    role = ROLES.get(name, TEXT)
    if role == CHARACTER:
        parts.append(_character(child))
    elif role == FLOW:
        parts.append(BREAK)  # a text of its own
    elif role == CODE:
        if _separates(child) or any(stands_for_space(code) for code in (native_content(child), *native(child))):
            parts.append(BREAK)
    elif child.get("mtype") == "x-sdl-deleted":
        pass  # a tracked change: the text is no longer there
    else:
        start, end = native(child)
        own = name not in ROLES and name.lower() in _NAMES
        border = BREAK if own or _separates(child) else BORDER if child.get("mtype") == "seg" else ""
        parts.append(border or (BREAK if stands_for_space(start) else ""))
        _collect(child, native, parts)
        parts.append(border or (BREAK if stands_for_space(end) else ""))


def _separates(element: Any) -> bool:
    """Whether an inline element's attributes say that it separates what is around it."""
    if any(_is_name(element.get(attribute) or "") for attribute in ATTRIBUTES):
        return True
    if (angular := _ANGULAR.fullmatch(element.get("id") or "")) and _is_name(angular[1] or angular[2]):
        return True
    return any(stands_for_space(element.get(attribute) or "") for attribute in EQUIVALENTS)


def _is_name(value: str) -> bool:
    """Whether a type (``lb``, ``xlf:lb``, ``x-html-br``, ``x-line-break``, ``LINE_BREAK``) is of what separates."""
    words = re.split(r"[\W_]+", value.lower())
    return "".join(word for word in words if word not in _PREFIXES) in _NAMES


def stands_for_space(code: str) -> bool:
    r"""Whether a document's own code is white space there, or separates what is around it.

    >>> [stands_for_space(code) for code in ("<br/>", "</p>", "{\\tab }", "\\n", "&#160;", " ", "[tab]", "<w:br/>")]
    [True, True, True, True, True, True, True, True]
    >>> [stands_for_space(code) for code in ("", "<b>", "\\cf1 ", "{0}", "%s", "<span class='p'>", "{{name}}")]
    [False, False, False, False, False, False, False]
    """
    if not code:
        return False
    if code.isspace() or _CONTROL.search(code) or _REFERENCE.search(code) or _VALUE.search(code):
        return True
    if code.strip("<>[]{}()/\\&;% ").lower() in _NAMES:
        return True
    names = [(found[1] or found[2]).lower() for found in _TAG.finditer(code)]
    if any(name == "text:s" or name.rpartition(":")[2] in _NAMES for name in names):
        return True
    left = _TAG.sub("", code)
    return bool(names) and left.isspace()


def native_content(element: Any) -> str:
    """The native code that an element holds, without its sub-flows."""
    parts = [element.text or ""]
    for child in element:
        name = local_name(child)
        if name == "cp":
            parts.append(_code_point(child))
        elif name != "sub":
            parts.append(native_content(child))
        parts.append(child.tail or "")
    return "".join(parts)


def _code_point(element: Any) -> str:
    """The character of XLIFF 2's ``cp``, which XML can't hold itself; empty if it is none."""
    try:
        return chr(int(element.get("hex") or "", 16))
    except (ValueError, OverflowError):
        return ""


def _character(element: Any) -> str:
    """What stands for a ``cp`` in text: most are control characters, some of which are white space."""
    character = _code_point(element)
    if character.isspace() and character not in "\x1c\x1d\x1e\x1f":  # separators of records
        return BREAK
    return character if character.isprintable() else ""
