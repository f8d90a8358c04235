"""JSON Lines: an object a line, with a key per language.

A column's name may lead into nested objects: ``translation.en``. Without ``columns``, an object with the languages' codes as
keys is understood, at the top or under ``translation`` (the Hugging Face convention).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pipeline.console.plain_text import has_surrogate
from pipeline.corpora.base import Chunk, ReadRequest, Row, Unit, chunked_groups
from pipeline.corpora.lines import read_lines
from pipeline.corpora.places import Found, file_units
from pipeline.ground.languages import WantedLanguages, choose_codes

SHOWN_CHARS = 500

MAX_KEYS = 1_000
"""Sets of keys that are remembered: records of a corpus have few."""

SHOWN_KEYS = 10
KINDS = (
    (bool, "true or false"),
    (int | float, "a number"),
    (list, "a list"),
    (dict, "an object"),
    (type(None), "null"),
)


class JsonLinesReader:
    """Format ``jsonl``."""

    def units(self, request: ReadRequest) -> list[Unit]:
        """See `pipeline.corpora.base.Reader`."""

        def make(found: Found, request: ReadRequest) -> Unit | None:
            groups = found.groups(request)
            return Unit((found.source,), groups, request.columns) if groups else None

        return file_units(request, make)

    def read(self, unit: Unit, request: ReadRequest) -> Iterator[Chunk]:
        """See `pipeline.corpora.base.Reader`."""
        yield from chunked_groups(self._rows(unit, request))

    def _rows(self, unit: Unit, request: ReadRequest) -> Iterator[Row]:
        name = unit.sources[0].name
        find = _Finder(dict(unit.columns), request.wanted)
        for frame in read_lines(unit.sources[0], request.encoding):
            for line, text, reason, detail in frame.iter_rows():
                value: Any = None
                if reason is None and not text.strip():
                    reason, detail = "missing-column", "an empty line"
                elif reason is None:
                    try:
                        value = json.loads(text)
                    except (ValueError, RecursionError) as error:
                        reason, detail = "not-json", str(error)[:200]
                for group in unit.groups:
                    sides, problem = ([], (reason, detail)) if reason else _sides(find, value, group)
                    a, b = (text[:SHOWN_CHARS], "") if problem[0] else (*sides, None)[:2]
                    yield group, (a, b, name, line, "", *problem)


def _sides(find: _Finder, value: Any, group: tuple[str, ...]) -> tuple[list[Any], tuple[str | None, str | None]]:
    """The sides of a record, its reason and detail. What isn't there is no damage; what is there and no text is."""
    try:
        sides = find.sides(value, group)
    except _NotARecordError as error:
        return [], ("missing-column", str(error))
    for language, side in zip(group, sides, strict=True):
        if side is not None and not isinstance(side, str):
            return [], ("missing-column", f"{language} is {_kind(side)}, expected text")
    if None in sides:
        keys = f"; its keys are {', '.join(list(value)[:SHOWN_KEYS])}" if not any(sides) and value else ""
        return [], ("missing-side", f"no text for {group[sides.index(None)]}{keys}"[:SHOWN_CHARS])
    if any(has_surrogate(side) for side in sides):
        return [], ("encoding", "a lone surrogate (half of a UTF-16 pair)")
    return sides, (None, None)


class _NotARecordError(ValueError):
    """What stands where an object (or, for numbered columns, a list) should."""

    def __init__(self, value: Any, expected: str) -> None:
        super().__init__(f"found {_kind(value)}, expected {expected}")


def _kind(value: Any) -> str:
    return next((name for kind, name in KINDS if isinstance(value, kind)), "text")


class _Finder:
    """Finds the text of each language in a record, by its key or number; without any, keys are languages."""

    def __init__(self, columns: dict[str, str | int], wanted: WantedLanguages) -> None:
        self.columns, self.wanted = columns, wanted
        self._chosen: dict[tuple[str, ...], dict[str, str]] = {}

    def sides(self, value: Any, group: tuple[str, ...]) -> list[Any]:
        """The text of each of the group's languages, or what stands there.

        Raises:
            _NotARecordError: if there is no object (or list) to look into.
        """
        if self.columns:
            return [_column(value, self.columns[language]) if language in self.columns else None for language in group]
        if isinstance(value, dict) and isinstance(value.get("translation"), dict):
            value = value["translation"]
        if not isinstance(value, dict):
            raise _NotARecordError(value, "an object with a key for each language")
        keys = self._keys(tuple(value))
        return [value[keys[language]] if language in keys else None for language in group]

    def _keys(self, names: tuple[str, ...]) -> dict[str, str]:
        """The key of each language; remembered for records of the same keys, as nearly all of a corpus are."""
        if names not in self._chosen:
            if len(self._chosen) >= MAX_KEYS:
                self._chosen.clear()
            self._chosen[names] = {language: name for name, language in choose_codes(names, self.wanted).items()}
        return self._chosen[names]


def _column(value: Any, column: str | int) -> Any:
    if isinstance(column, int):
        if not isinstance(value, list):
            raise _NotARecordError(value, "a list: its column is a number")
        return value[column] if -1 < column < len(value) else None
    if not isinstance(value, dict):
        raise _NotARecordError(value, "an object")
    if column in value:
        return value[column]
    for part in column.split("."):
        if value is not None and not isinstance(value, dict):
            raise _NotARecordError(value, f"an object that holds {part}")
        value = None if value is None else value.get(part)
    return value
