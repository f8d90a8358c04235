"""Metrics of any nesting as tables: a card shows every benchmark that was measured, and need not know its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.console.plain_text import visible

NONE = "–"


@dataclass(frozen=True)
class ScoreTable:
    """Scores of one kind."""

    title: str  # where they stand in the metrics (``retrieval · pairs``)
    columns: tuple[str, ...]  # their names, the first for what a row is of; none if there are no rows
    rows: tuple[tuple[str, ...], ...]  # the scores as text, the first cell saying what a row is of
    facts: tuple[tuple[str, str], ...] = ()  # single values beside the rows: name and value


def score_tables(metrics: Mapping[str, Any], title: str = "") -> Iterator[ScoreTable]:
    """Metrics as tables, in their order; nothing is left out.

    A mapping whose values are mappings of plain values is a table, a row each; plain values beside them are facts;
    everything else is looked into.

    >>> for table in score_tables({"retrieval": {"mean": 0.9, "pairs": {"en-fr": {"accuracy": 0.9, "n": 10}}}}):
    ...     print(table.title, table.columns, table.rows, table.facts)
    retrieval () () (('mean', '0.9000'),)
    retrieval · pairs ('', 'accuracy', 'n') (('en-fr', '0.9000', '10'),) ()
    """
    plain = {key: value for key, value in metrics.items() if not isinstance(value, Mapping)}
    flat = {key: value for key, value in metrics.items() if isinstance(value, Mapping) and value and _flat(value)}
    if plain or flat:
        names = tuple(dict.fromkeys(name for value in flat.values() for name in value))
        rows = tuple(
            (cell(key), *(value_text(value[name]) if name in value else NONE for name in names))
            for key, value in flat.items()
        )
        facts = tuple((cell(key), value_text(value)) for key, value in plain.items())
        yield ScoreTable(cell(title or "all"), ("", *map(cell, names)) if rows else (), rows, facts)
    for key, value in metrics.items():
        if isinstance(value, Mapping) and value and key not in flat:
            yield from score_tables(value, f"{title} · {key}" if title else str(key))


def value_text(value: Any) -> str:
    """A metric as it is shown; fractions to four digits."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(value_text, value)) or NONE
    return cell(value)


def cell(text: Any) -> str:
    r"""Text that is harmless in a Markdown table.

    >>> print(cell("a|b <i>"))
    a\|b &lt;i&gt;
    """
    shown = visible(str(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return shown.replace("|", "\\|")


def _flat(value: Mapping[str, Any]) -> bool:
    return not any(isinstance(inner, Mapping) for inner in value.values())
