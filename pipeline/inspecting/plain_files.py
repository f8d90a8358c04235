"""Metrics (JSON), series and rejects (TSV): text files that stages write."""

from __future__ import annotations

import io
import json
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import zstandard

from pipeline.console.errors import ArtifactError
from pipeline.console.plain_text import clip
from pipeline.inspecting.view import Table, View, ViewRequest, flatten, size_text, value_text

MAX_LINE_CHARS = 1 << 20
"""Rejects are cut to far less; what is longer is no line that a stage wrote, perhaps a bomb."""

METRICS_ROWS = 60
"""Metrics of one file that are shown without a query; more only with ``--rows``."""


def read_json(path: Path) -> Any:
    """A JSON file.

    Raises:
        ArtifactError: if it isn't one.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(path, f"not JSON ({error})") from None


def json_view(title: str, path: Path, wanted: ViewRequest) -> View:
    """A metrics file, flattened; with a query, the keys that hold it.

    Raises:
        ArtifactError: if it isn't JSON.
    """
    content = read_json(path)
    if isinstance(content, dict):
        rows = list(flatten(content))
    else:
        rows = (
            [(str(place), value) for place, value in enumerate(content)]
            if isinstance(content, list)
            else [("", content)]
        )
    if wanted.query is not None:
        rows = [row for row in rows if wanted.query.lower() in row[0].lower()]
    limit = max(wanted.rows, METRICS_ROWS)
    shown = tuple((name, clip(value_text(value))) for name, value in rows[:limit])
    note = f"and {len(rows) - limit:,} more; --rows shows more, --query picks" if len(rows) > limit else ""
    facts = (("what", "metrics"), ("values", f"{len(rows):,}"), ("size", size_text(path.stat().st_size)))
    return View(title, facts, (Table("values", ("key", "value"), shown, frozenset({"value"}), note),))


def tsv_view(title: str, path: Path, wanted: ViewRequest) -> View:
    """The first and last rows of a file of tab-separated columns, or those that hold a query. Read as a stream.

    Raises:
        ArtifactError: if it can't be read.
    """
    try:
        lines = _lines(path)
        header = next(lines, [])
        matching = (row for row in lines if wanted.query is None or _holds(row, wanted.query))
        first = list(islice(matching, wanted.rows))
        last: deque[list[str]] = deque(maxlen=max(wanted.rows, 1))
        count = len(first)
        for row in matching:
            count += 1
            last.append(row)
    except (ValueError, OSError, MemoryError, zstandard.ZstdError) as error:
        raise ArtifactError(path, f"can't be read as tab-separated text ({error})") from None
    rejects = path.suffix == ".zst"
    what, columns = "rejected units, with their reasons" if rejects else "series", tuple(header)
    facts = (("what", what), ("rows" if wanted.query is None else "rows with it", f"{count:,}"),
             ("size", size_text(path.stat().st_size)))  # fmt: skip
    tables = [_rows("the first", columns, first)]
    if last and not rejects:
        tables.append(_rows("the last", columns, list(last)))
    return View(title, facts, tuple(tables))


def _rows(title: str, columns: tuple[str, ...], rows: list[list[str]]) -> Table:
    width = len(columns)
    return Table(title, columns, tuple(tuple(clip(cell) for cell in (row + [""] * width)[:width]) for row in rows))


def _lines(path: Path) -> Iterator[list[str]]:
    with path.open("rb") as raw:
        # Appended to in parts, a rejects file has one zstd frame for each.
        opened = (
            zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) if path.suffix == ".zst" else raw
        )
        text = io.TextIOWrapper(opened, encoding="utf-8", newline="\n")
        while line := text.readline(MAX_LINE_CHARS + 1):
            if len(line) > MAX_LINE_CHARS:
                raise ValueError(f"a line of over {MAX_LINE_CHARS:,} characters")
            yield line.rstrip("\n").split("\t")


def _holds(row: list[str], query: str) -> bool:
    return any(query.lower() in cell.lower() for cell in row)
