"""XLIFF 1.2 and 2: the source and target of every unit that has been translated, a segment at a time.

Also what Trados (SDLXLIFF) and Phrase (MXLIFF) add to 1.2: states of segments, definitions of tags, tags written into text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline.console.errors import InputError
from pipeline.corpora.base import Chunk, ReadRequest, Row, Unit, chunked_groups
from pipeline.corpora.inline import (
    BREAK,
    Native,
    damage,
    native_content,
    no_reference,
    segment_text,
    spaced,
    stands_for_space,
)
from pipeline.corpora.marks import APPROVED, GOOD, Said, left_out, marks_of, state_marks, switch_marks
from pipeline.corpora.places import file_units, named_unit
from pipeline.corpora.xml import XML_LANG, elements, local_name
from pipeline.ground.languages import match_language

SDL = "{http://sdl.com/FileTypes/SdlXliff/1.0}"
MEMSOURCE = "{http://www.memsource.com/mxlf/2.0}"
PARTS = ("xliff", "file", "trans-unit", "unit", "tag-defs")


@dataclass
class _File:
    """What is known of the ``file`` element that is being read.

    Attributes:
        version: 1 or 2.
        source: the language, as it is spelled there; empty if it isn't said.
        target: the translation's language, likewise.
        document: the name of the document that was translated.
        tags: for each tag's id in SDLXLIFF, the code at its start and at its end.
    """

    version: int = 1
    source: str = ""
    target: str = ""
    document: str = ""
    tags: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Segment:
    """A source and its target.

    Attributes:
        source: the source's element; None if it lacks.
        target: the target's element; None if it lacks.
        marks: what is said against the translation, each with what was found.
        line: where the segment stands.
    """

    source: Any
    target: Any
    marks: tuple[tuple[str, str], ...]
    line: int


class XliffReader:
    """Format ``xliff``."""

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        return file_units(request, named_unit)

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from chunked_groups(self._rows(unit, request))

    def _rows(self, unit: Unit, request: ReadRequest) -> Iterator[Row]:
        root, here = _File(), _File()
        for event, element in elements(unit.sources[0], PARTS, request):
            kind = local_name(element)
            if event == "start" and kind == "xliff":
                version = 1 if (element.get("version") or "1").startswith("1") and not element.get("srcLang") else 2
                root = here = _File(version, element.get("srcLang") or "", element.get("trgLang") or "")
            elif event == "start" and kind == "file":
                here = _File(
                    root.version,
                    element.get("source-language") or element.get(XML_LANG) or root.source,
                    element.get("target-language") or root.target,
                    element.get("original") or element.get("id") or "",
                )
            elif event == "end" and kind == "tag-defs":
                here.tags = dict(_tag_definitions(element))
            elif event == "end" and kind in {"trans-unit", "unit"}:
                segments = _trans_unit(element) if kind == "trans-unit" else _unit(element)
                native = _sdl_codes(here.tags) if kind == "trans-unit" else _data_codes(element)
                for segment in segments:
                    yield from _SegmentRows(segment, native, here, unit, request).rows()


class _SegmentRows:
    """The rows of one segment of a file element; ``native`` finds the codes that its inline elements refer to."""

    def __init__(self, segment: _Segment, native: Native, here: _File, unit: Unit, request: ReadRequest) -> None:
        self.segment, self.native, self.here, self.unit, self.request = segment, native, here, unit, request
        self.name = unit.sources[0].name

    def rows(self) -> Iterator[Row]:
        """One row for each language pair that the file's languages are; one that says so if they are none."""
        spelled = self._languages()
        languages = [match_language(code, self.request.wanted) if code else None for code in spelled]
        groups = [(group, order) for group in self.unit.groups if (order := _order(group, languages)) is not None]
        if not groups:
            detail = f"the file is in {spelled[0]} and {spelled[1] or 'no other language'}"
            yield self.unit.groups[0], self._row("", "", "missing-side", detail)
        for group, order in groups:
            yield group, self._sides(order)

    def _languages(self) -> tuple[str, str]:
        """The languages of source and target, as spelled, or as they must be.

        Raises:
            InputError: if a language is not said and can't be told.
        """
        segment, here = self.segment, self.here
        source = _language(segment.source) or here.source
        said = ("srcLang on xliff", "trgLang on xliff")
        said = ("source-language on file", "target-language on file") if here.version == 1 else said
        if not source:
            problem = f"doesn't say its source language; expected the attribute {said[0]}"
            raise InputError(self.name, problem, segment.line)
        target = _language(segment.target) or here.target
        wanted = self.request.wanted
        known = match_language(source, wanted)
        if target or (len(self.unit.groups[0]) == 1 and known is not None):
            return source, target
        named = [language for language, _ in self.unit.columns if language != known]
        others = named or [language for language in wanted if language != known]
        if len(others) != 1:
            cure = f"expected the attribute {said[1]}, {{lang}} in the corpus' path, or 'languages' with two"
            problem = f"doesn't say its target language, which may be {' or '.join(others)}; {cure}"
            raise InputError(self.name, problem, segment.line)
        attribute, where = said[1].split()[0], "their path" if named else "the corpus' languages"
        self.request.notes.add(f"segments without {attribute}, whose language is taken from {where}", self._where())
        return source, others[0]

    def _sides(self, order: list[str]) -> tuple[Any, ...]:
        """The row of one language pair; ``order``: which of source and target is side a and, if there is one, side b."""
        segment = self.segment
        texts = {"source": self._text(segment.source), "target": self._text(segment.target)}
        a, b = (*(texts[side] or "" for side in order), None)[:2]
        shown: tuple[str | None, str | None] = (texts["source"] or "", "") if b is not None else (a, None)
        if "target" in order and texts["target"] is None:
            return self._row(*shown, "untranslated", "no target")
        if "source" in order and texts["source"] is None:
            return self._row(*shown, "missing-side", "no source")
        if texts["target"] == "" and texts["source"] and "target" in order:
            return self._row(*shown, "untranslated", "an empty target")
        if found := next((found for text in (a, b) if text and (found := damage(text))), None):
            return self._row("", "", found[0], found[1])
        if "target" in order:
            return self._row(a, b, *left_out(segment.marks, self.request, self._where()))
        return self._row(a, b, None, None)

    def _text(self, element: Any) -> str | None:
        """The text of a source or target; None if it lacks."""
        if element is None:
            return None
        text = segment_text(element, self.native)
        unit = next(element.iterancestors("{*}trans-unit"), None)
        marks = None if unit is None else next(unit.iter(f"{MEMSOURCE}tunit-metadata"), None)
        return text if marks is None else _without_memsource_tags(text, marks)

    def _where(self) -> str:
        return f"{self.name}:{self.segment.line}"

    def _row(self, a: str | None, b: str | None, reason: str | None, detail: str | None) -> tuple[Any, ...]:
        return a, b, self.name, self.segment.line, self.here.document, reason, detail


def _language(element: Any) -> str:
    return "" if element is None else element.get(XML_LANG) or ""


def _order(group: tuple[str, ...], here: list[str | None]) -> list[str] | None:
    """Which of source and target is each language of the group; None if the file is in other languages."""
    if len(group) == 1:
        return ["source"] if here[0] == group[0] else ["target"] if here[1] == group[0] else None
    if list(group) == here:
        return ["source", "target"]
    return ["target", "source"] if list(group) == here[::-1] else None


def _child(element: Any, name: str) -> Any:
    return next(element.iterchildren(f"{{*}}{name}"), None)


def _not_to_translate(element: Any) -> list[Said]:
    """The mark of ``translate="no"`` here, or on the nearest element around that says either."""
    outer = (one for one in (element, *element.iterancestors()) if one.get("translate"))
    return next((switch_marks(one, "translate", None, "not-to-translate") for one in outer), [])


# --- XLIFF 1.2 -------------------------------------------------------------------------------------------------------


def _trans_unit(element: Any) -> list[_Segment]:
    """The segments of a 1.2 unit, if both sides are segmented alike; else the unit as one."""
    source, target = _child(element, "source"), _child(element, "target")
    common = _not_to_translate(element)
    common += switch_marks(element, "approved", APPROVED, "unapproved")
    common += switch_marks(element, f"{MEMSOURCE}confirmed", GOOD, "unapproved")
    common += state_marks(element, f"{MEMSOURCE}trans-origin")
    if target is not None:
        common += state_marks(target, "state", "state-qualifier")
    states = {seg.get("id"): seg for seg in element.iter(f"{SDL}seg")}
    segmented = _child(element, "seg-source")
    pieces, translated = _segments(source if segmented is None else segmented), _segments(target)
    if pieces and translated and list(pieces) == list(translated):
        return [
            _Segment(piece, translated[mid], marks_of([*common, *_sdl_marks(states.get(mid))]), piece.sourceline or 0)
            for mid, piece in pieces.items()
        ]
    marks = marks_of([*common, *(mark for state in states.values() for mark in _sdl_marks(state))])
    return [_Segment(source, target, marks, element.sourceline or 0)]


def _segments(element: Any) -> dict[str, Any]:
    """The segments of a source or target by their ids; empty if it has none, two of one id, or text outside of them."""
    if element is None:
        return {}
    found = [mrk for mrk in element.iter("{*}mrk") if mrk.get("mtype") == "seg"]
    by_id = {mrk.get("mid") or "": mrk for mrk in found}
    inside = "".join("".join(mrk.itertext()) for mrk in found)
    whole = "".join("".join(element.itertext()).split()) == "".join(inside.split())
    return by_id if whole and len(by_id) == len(found) else {}


def _sdl_marks(state: Any) -> list[Said]:
    """The marks of Trados' definition of a segment; without a confirmation level it is not translated."""
    if state is None:
        return []
    return state_marks(state, "conf", "origin") if state.get("conf") else [("untranslated", "no confirmation level")]


def _tag_definitions(element: Any) -> Iterator[tuple[str, tuple[str, str]]]:
    """Trados' definitions of tags: the content, or else the name, of the code at the start and at the end."""
    for tag in element:
        codes = {local_name(part): "".join(part.itertext()) or f"<{part.get('name')}>" for part in tag}
        start = next((codes[name] for name in ("bpt", "ph", "st") if name in codes), "")
        yield tag.get("id") or "", (start, codes.get("ept", ""))


def _sdl_codes(tags: dict[str, tuple[str, str]]) -> Native:
    if not tags:
        return no_reference
    return lambda element: tags.get(element.get("id") or "", ("", "")) if local_name(element) != "mrk" else ("", "")


def _without_memsource_tags(text: str, metadata: Any) -> str:
    """Text without Phrase's tags, ``{1}``, ``{1>`` and ``<1}``, whose codes stand in the unit's metadata."""
    codes = {}
    for mark in metadata.iter(f"{MEMSOURCE}mark"):
        content = _child(mark, "content")
        codes[mark.get("id") or ""] = "" if content is None else "".join(content.itertext())

    def code(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in codes:
            return found[0]
        return BREAK if stands_for_space(codes[name]) else ""

    return spaced(re.sub(r"\{(\w+)[>}]|<(\w+)\}", code, text))


# --- XLIFF 2 ---------------------------------------------------------------------------------------------------------


def _unit(element: Any) -> Iterator[_Segment]:
    """The segments of a unit; what is between them (``ignorable``) is no text."""
    common = _not_to_translate(element)
    for segment in element.iterchildren("{*}segment"):
        holder = segment if segment.get("approved") else element
        own = switch_marks(holder, "approved", APPROVED, "unapproved") + state_marks(segment, "state", "subState")
        source, target = _child(segment, "source"), _child(segment, "target")
        yield _Segment(source, target, marks_of([*common, *own]), segment.sourceline or 0)


def _data_codes(element: Any) -> Native:
    """Finds codes in the unit's ``originalData``."""
    held = _child(element, "originalData")
    if held is None:
        return no_reference
    data = {item.get("id"): native_content(item) for item in held}

    def native(inline: Any) -> tuple[str, str]:
        start = inline.get("dataRefStart") or inline.get("dataRef")
        return data.get(start, "") if start else "", data.get(inline.get("dataRefEnd"), "")

    return native
