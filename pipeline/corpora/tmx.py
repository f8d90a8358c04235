"""TMX 1.4: translation memories, a unit of any number of variants at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

from pipeline.corpora.base import Chunk, Request, Unit, chunked_groups, require_languages
from pipeline.corpora.places import find_files
from pipeline.corpora.xml import XML_LANG, elements, inline_text, local_name
from pipeline.ground.languages import match_language

CODES = frozenset({"bpt", "ept", "it", "ph", "ut", "sub"})
MAX_PAIRS = 1_000
"""Pairs of one unit and language pair: n variants on both sides would make n² of them."""

Row = tuple[tuple[str, ...], tuple[Any, ...]]


class TmxReader:
    """Format ``tmx``: every pair of a wanted language pair's variants in a unit is a pair."""

    def units(self, request: Request) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        units = []
        for found in find_files(request):
            named = {found.languages[part] for part in ("a", "b") if part in found.languages}
            groups = tuple(group for group in request.groups if not named or named == set(group))
            if groups:
                units.append(Unit((found.source,), groups))
        return require_languages(request, units, str(request.path))

    def read(self, unit: Unit, request: Request) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from chunked_groups(self._rows(unit, request))

    def _rows(self, unit: Unit, request: Request) -> Iterator[Row]:
        source = unit.sources[0]
        for event, element in elements(source, ("tu",)):
            if event == "end":
                yield from _unit_rows(element, unit.groups, request.wanted, source.name)


def _unit_rows(element: Any, groups: tuple[tuple[str, ...], ...], wanted: tuple[str, ...], name: str) -> Iterator[Row]:
    line = element.sourceline or 0
    variants: dict[str, list[str | None]] = {}
    for variant in element:
        if local_name(variant) != "tuv":
            continue
        language = match_language(variant.get(XML_LANG) or variant.get("lang") or "", wanted)
        segment = next((child for child in variant if local_name(child) == "seg"), None)
        if language is not None and segment is not None:
            variants.setdefault(language, []).append(inline_text(segment, CODES))
    for group in groups:
        if missing := [language for language in group if language not in variants]:
            shown = next((text or "" for texts in variants.values() for text in texts), "")
            yield group, (shown, "", name, line, "", "missing-side", f"no variant in {missing[0]}")
            continue
        if (count := prod(len(variants[language]) for language in group)) > MAX_PAIRS:
            detail = f"{count:,} pairs of variants in one unit"
            yield group, ("", "", name, line, "", "variants", detail)
            continue
        for texts in product(*(variants[language] for language in group)):
            if None in texts:
                yield group, ("", "", name, line, "", "entity", "an entity that isn't XML's own")
            else:
                yield group, (texts[0], texts[1] if len(group) > 1 else None, name, line, "", None, None)
