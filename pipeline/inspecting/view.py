"""What is shown of an artifact, as data: a terminal, a pipe and a test each render it in their way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 50
"""Levels that `flatten` goes down; what lies deeper is shown as one value."""


@dataclass(frozen=True)
class Table:
    """Rows to show."""

    title: str  # what the rows are
    columns: tuple[str, ...]  # their names
    rows: tuple[tuple[str, ...], ...]  # text as it is; `visible` is applied when it is shown
    numeric: frozenset[str] = frozenset()  # the columns that hold numbers
    note: str = ""  # said below, if anything


@dataclass(frozen=True)
class View:
    """All that is shown of an artifact."""

    title: str  # the artifact
    facts: tuple[tuple[str, str], ...]  # names and values
    tables: tuple[Table, ...] = ()  # samples


@dataclass(frozen=True)
class ViewRequest:
    """What the user asks to see."""

    rows: int = 5  # samples of each kind
    query: str | None = None  # only rows whose text holds this, whatever its case


def size_text(size: int) -> str:
    """Bytes in words.

    >>> size_text(1536)
    '1.5 KiB'
    """
    value = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{size:,} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def flatten(value: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Nested mappings as dotted keys and values, in order.

    >>> list(flatten({"a": {"b": 1}, "c": [2]}))
    [('a.b', 1), ('c', [2])]
    """
    for key, inner in value.items():
        name = f"{prefix}{key}"
        if isinstance(inner, Mapping) and inner and prefix.count(".") < MAX_DEPTH:
            yield from flatten(inner, f"{name}.")
        else:
            yield name, inner


def value_text(value: Any) -> str:
    """A JSON value as it is shown; floats to six digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
