"""TMX 1.4: translation memories, a unit of any number of variants at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, ClassVar, Literal

from pipeline.corpora.base import Chunk, ReadRequest, Unit, chunked_groups, require_languages
from pipeline.corpora.inline import damage, segment_text
from pipeline.corpora.marks import Marked, left_out, tmx_marks
from pipeline.corpora.places import find_files
from pipeline.corpora.xml import XML_LANG, elements, local_name
from pipeline.ground.languages import match_language

MAX_PAIRS = 1_000
"""Pairs of one unit and language pair: n variants on both sides would make n² of them."""

SHOWN_CODES = 8
Row = tuple[tuple[str, ...], tuple[Any, ...]]


@dataclass(frozen=True)
class _Variant:
    """A ``tuv`` with a text, and that text."""

    element: Any
    text: str


class TmxReader(Marked):
    """TMX 1.4: every pair of a wanted language pair's variants in a unit is a pair."""

    format: Literal["tmx"] = "tmx"
    suffixes: ClassVar[tuple[str, ...]] = ("tmx",)

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        units = []
        for found in find_files(request):
            named = {found.languages[part] for part in ("a", "b") if part in found.languages}
            groups = tuple(group for group in request.groups if not named or named == set(group))
            if groups:
                units.append(Unit((found.source,), groups))
        return require_languages(request, units, str(request.path))

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from chunked_groups(self._rows(unit, self.asked(request)))

    def _rows(self, unit: Unit, request: ReadRequest) -> Iterator[Row]:
        for event, element in elements(unit.sources[0], ("tu",), request):
            if event == "end":
                yield from _unit_rows(element, unit, request)


def _unit_rows(element: Any, unit: Unit, request: ReadRequest) -> Iterator[Row]:
    variants: dict[str, list[_Variant]] = {}
    found: list[str] = []
    for variant in element:
        if local_name(variant) != "tuv":
            continue
        code = variant.get(XML_LANG) or variant.get("lang") or ""
        segment = next((child for child in variant if local_name(child) == "seg"), None)
        found.append((code or "one without xml:lang") + (" without seg" if segment is None else ""))
        language = match_language(code, request.wanted) if code else None
        if language is not None and segment is not None:
            variants.setdefault(language, []).append(_Variant(variant, segment_text(segment)))
    name, line = unit.sources[0].name, element.sourceline or 0
    for group in unit.groups:
        if missing := [language for language in group if language not in variants]:
            shown = next((one.text for several in variants.values() for one in several if not damage(one.text)), "")
            detail = f"no variant in {missing[0]} (found: {', '.join(found[:SHOWN_CODES]) or 'none'})"
            yield group, (shown, "", name, line, "", "missing-side", detail)
            continue
        if (count := prod(len(variants[language]) for language in group)) > MAX_PAIRS:
            detail = f"{count:,} pairs of variants in one unit"
            yield group, ("", "", name, line, "", "variants", detail)
            continue
        for pair in product(*(variants[language] for language in group)):
            yield group, _pair(element, pair, (name, line), request)


def _pair(unit: Any, pair: tuple[_Variant, ...], place: tuple[str, int], request: ReadRequest) -> tuple[Any, ...]:
    if bad := next((bad for variant in pair if (bad := damage(variant.text))), None):
        return ("", "", *place, "", *bad)
    texts = pair[0].text, pair[1].text if len(pair) > 1 else None
    marks = tmx_marks(unit, [variant.element for variant in pair])
    return (*texts, *place, "", *left_out(marks, request, f"{place[0]}:{place[1]}"))
