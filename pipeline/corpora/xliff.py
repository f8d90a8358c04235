"""XLIFF 1.2 and 2.0: the source and target of every unit that has been translated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.console.errors import InputError
from pipeline.corpora.base import Chunk, Request, Unit, chunked_groups, require_languages
from pipeline.corpora.places import find_files
from pipeline.corpora.xml import elements, inline_text, local_name
from pipeline.ground.languages import match_language

CODES = frozenset({"bpt", "ept", "it", "ph", "x", "bx", "ex", "sub", "sc", "ec", "cp"})
Row = tuple[tuple[str, ...], tuple[Any, ...]]


class XliffReader:
    """Format ``xliff``."""

    def units(self, request: Request) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        units = [Unit((found.source,), request.groups) for found in find_files(request)]
        return require_languages(request, units, str(request.path))

    def read(self, unit: Unit, request: Request) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from chunked_groups(self._rows(unit, request))

    def _rows(self, unit: Unit, request: Request) -> Iterator[Row]:
        source, languages, document = unit.sources[0], ("", ""), ""
        for event, element in elements(source, ("xliff", "file", "trans-unit", "segment")):
            kind = local_name(element)
            if event == "start":
                if kind == "xliff":
                    languages = (element.get("srcLang") or "", element.get("trgLang") or "")
                elif kind == "file":
                    document = element.get("original") or element.get("id") or ""
                    languages = (
                        element.get("source-language") or languages[0],
                        element.get("target-language") or languages[1],
                    )
            elif kind in {"trans-unit", "segment"}:
                yield from _unit_rows(element, languages, unit.groups, request.wanted, source.name, document)


def _unit_rows(
    element: Any,
    languages: tuple[str, str],
    groups: tuple[tuple[str, ...], ...],
    wanted: tuple[str, ...],
    name: str,
    document: str,
) -> Iterator[Row]:
    line = element.sourceline or 0
    if not languages[0]:
        raise InputError(name, "doesn't say its source language", line)
    here = [match_language(code, wanted) if code else None for code in languages]
    texts: dict[str, Any] = {local_name(child): child for child in element if local_name(child) in {"source", "target"}}
    for group in groups:
        ordered = _order(group, here)
        if ordered is None:
            continue
        sides = [inline_text(texts[kind], CODES) if kind in texts else "" for kind in ordered]
        source_text = inline_text(texts["source"], CODES) if "source" in texts else ""
        if len(group) > 1 and "target" not in texts:
            yield group, (source_text or "", "", name, line, document, "untranslated", "no target")
        elif None in sides:
            yield group, ("", "", name, line, document, "entity", "an entity that isn't XML's own")
        else:
            yield group, (sides[0], sides[1] if len(group) > 1 else None, name, line, document, None, None)


def _order(group: tuple[str, ...], here: list[str | None]) -> list[str] | None:
    """Which of source and target is each language of the group; None if the file is in other languages."""
    if len(group) == 1:
        return ["source"] if here[0] == group[0] else ["target"] if here[1] == group[0] else None
    if list(group) == here:
        return ["source", "target"]
    return ["target", "source"] if list(group) == here[::-1] else None
