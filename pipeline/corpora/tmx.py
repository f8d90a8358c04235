"""TMX 1.4: translation memories, a unit of any number of variants at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

from pipeline.corpora.base import Chunk, ReadRequest, Row, Unit, chunked_groups
from pipeline.corpora.inline import damage, segment_text
from pipeline.corpora.marks import left_out, tmx_marks
from pipeline.corpora.places import file_units, named_unit
from pipeline.corpora.xml import XML_LANG, elements
from pipeline.ground.languages import match_language

MAX_PAIRS = 1_000
"""Pairs of one unit and language pair: n variants on both sides would make n² of them."""

SHOWN_CODES = 8

Variant = tuple[Any, str]
"""A ``tuv`` that has a segment, and the segment's text."""


class TmxReader:
    """Format ``tmx``: every pair of a wanted language pair's variants in a unit is a pair."""

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        return file_units(request, named_unit)

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from chunked_groups(self._rows(unit, request))

    def _rows(self, unit: Unit, request: ReadRequest) -> Iterator[Row]:
        for event, element in elements(unit.sources[0], ("tu",), request):
            if event == "end":
                yield from _unit_rows(element, unit, request)


def _unit_rows(element: Any, unit: Unit, request: ReadRequest) -> Iterator[Row]:
    """The rows of one ``tu``: its pairs of variants in each language pair, or why there is none."""
    variants: dict[str, list[Variant]] = {}
    found: list[str] = []
    for variant in element.iterchildren("{*}tuv"):
        code = variant.get(XML_LANG) or variant.get("lang") or ""
        segment = next(variant.iterchildren("{*}seg"), None)
        found.append((code or "one without xml:lang") + (" without seg" if segment is None else ""))
        language = match_language(code, request.wanted) if code else None
        if language is not None and segment is not None:
            variants.setdefault(language, []).append((variant, segment_text(segment)))
    name, line = unit.sources[0].name, element.sourceline or 0
    for group in unit.groups:
        if missing := [language for language in group if language not in variants]:
            shown = next((text for several in variants.values() for _, text in several if not damage(text)), "")
            detail = f"no variant in {missing[0]} (found: {', '.join(found[:SHOWN_CODES]) or 'none'})"
            yield group, (shown, "", name, line, "", "missing-side", detail)
        elif (count := prod(len(variants[language]) for language in group)) > MAX_PAIRS:
            detail = f"{count:,} pairs of variants in one unit"
            yield group, ("", "", name, line, "", "variants", detail)
        else:
            pairs = product(*(variants[language] for language in group))
            yield from ((group, _pair(element, pair, (name, line), request)) for pair in pairs)


def _pair(unit: Any, pair: tuple[Variant, ...], place: tuple[str, int], request: ReadRequest) -> tuple[Any, ...]:
    """A row of a pair of variants (or of one), which stands in a file and line."""
    if bad := next((bad for _, text in pair if (bad := damage(text))), None):
        return ("", "", *place, "", *bad)
    a, b = (*(text for _, text in pair), None)[:2]
    marks = tmx_marks(unit, [variant for variant, _ in pair])
    return (a, b, *place, "", *left_out(marks, request, f"{place[0]}:{place[1]}"))
