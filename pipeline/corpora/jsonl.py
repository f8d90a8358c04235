"""JSON Lines: an object a line, with a key per language.

A column's name may lead into nested objects: ``translation.en``. Without ``columns``, an object with the languages' codes as
keys is understood, at the top or under ``translation`` (the Hugging Face convention).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pipeline.console.plain_text import has_surrogate
from pipeline.corpora.base import Chunk, Request, Unit, chunked_groups, require_languages
from pipeline.corpora.lines import read_lines
from pipeline.corpora.places import find_files
from pipeline.ground.languages import match_language

SHOWN_CHARS = 500


class JsonLinesReader:
    """Format ``jsonl``."""

    def units(self, request: Request) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""
        units = []
        for found in find_files(request):
            named = set(found.languages.values())
            groups = tuple(group for group in request.groups if not named or named == set(group))
            if groups:
                units.append(Unit((found.source,), groups, request.columns))
        return require_languages(request, units, str(request.path))

    def read(self, unit: Unit, request: Request) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from chunked_groups(self._rows(unit, request))

    def _rows(self, unit: Unit, request: Request) -> Iterator[tuple[tuple[str, ...], tuple[Any, ...]]]:
        name, columns = unit.sources[0].name, dict(unit.columns)
        for frame in read_lines(unit.sources[0], request.encoding):
            for line, text, reason, detail in frame.iter_rows():
                if reason is None and not text.strip():
                    reason, detail = "missing-column", "an empty line"
                value: Any = None
                if reason is None:
                    try:
                        value = json.loads(text)
                    except (ValueError, RecursionError) as error:
                        reason, detail = "not-json", str(error)[:200]
                for group in unit.groups:
                    if reason is None:
                        yield group, self._pair(value, group, columns, name, line, text)
                    else:
                        yield group, (text[:SHOWN_CHARS], "", name, line, "", reason, detail)

    def _pair(
        self, value: Any, group: tuple[str, ...], columns: dict[str, str | int], name: str, line: int, text: str
    ) -> tuple[Any, ...]:
        sides = [_find(value, columns.get(language), language, group) for language in group]
        if missing := [language for language, side in zip(group, sides, strict=True) if not isinstance(side, str)]:
            return text[:SHOWN_CHARS], "", name, line, "", "missing-column", f"no text for {missing[0]}"
        for side in sides:
            if has_surrogate(side):
                shown = text[:SHOWN_CHARS]
                return shown, "", name, line, "", "encoding", "a lone surrogate (half of a UTF-16 pair)"
        return sides[0], sides[1] if len(group) > 1 else None, name, line, "", None, None


def _find(value: Any, column: str | int | None, language: str, group: tuple[str, ...]) -> Any:
    if column is None:
        if isinstance(value, dict) and isinstance(value.get("translation"), dict):
            value = value["translation"]
        if not isinstance(value, dict):
            return None
        if language in value:
            return value[language]
        return next((text for key, text in value.items() if match_language(key, group) == language), None)
    if isinstance(column, int):
        return value[column] if isinstance(value, list) and -1 < column < len(value) else None
    if isinstance(value, dict) and column in value:
        return value[column]
    for part in column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
