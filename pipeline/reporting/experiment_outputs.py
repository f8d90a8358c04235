"""The comparison of experiments as a terminal shows it, as Markdown, CSV, and a page.

Equal comparisons give equal text: nothing of time, place or machine is in it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from pipeline.console.plain_text import visible
from pipeline.inspecting.view import Table, View
from pipeline.reporting.experiment_plots import metric_svg
from pipeline.reporting.experiments import Comparison, cell_text, metric_label, scale
from pipeline.reporting.render import templates
from pipeline.reporting.settings import setting_label, setting_text

UNFINISHED = ("experiment", "state", "settings", "why")


def view(table: Comparison) -> View:
    """The tables for a terminal or a pipe; the best values carry a star."""
    names = _metric_names(table)
    tables = []
    if table.rows:
        note = f"mean ± standard deviation over {_repeats(table)}; * the best of a column"
        rows = _rows(table, lambda text: f"{text} *")
        tables.append(Table("experiments", (*_setting_names(table), "n", *names), rows, frozenset(("n", *names)), note))
    if table.unfinished:
        tables.append(Table("without results", UNFINISHED, _unfinished(table)))
    facts = [("rows", str(len(table.rows))), ("experiments", str(sum(len(row.runs) for row in table.rows)))]
    facts += [("replaced by later ones", ", ".join(table.doubles))] if table.doubles else []
    return View("comparison of experiments", tuple(facts), tuple(tables))


def markdown(table: Comparison, plot: str | None = None) -> str:
    """The table in Markdown, the best values in bold; with the path of its plot, if there is one."""
    parts = ["No experiment has finished."]
    if table.rows:
        settings, names = _setting_names(table), _metric_names(table)
        rows = _rows(table, lambda text: f"**{text}**")
        parts = [_markdown_table([*settings, "n", *names], rows, numeric=len(names) + 1)]
        parts += [f"![{', '.join(names)}]({plot})"] if plot is not None else []
        parts.append(f"Mean ± standard deviation over {_repeats(table)}; the best of a column is bold.")
    if table.doubles:
        parts.append(f"Replaced by later ones of the same settings: {', '.join(table.doubles)}.")
    if table.unfinished:
        parts.append(_markdown_table(UNFINISHED, _unfinished(table)))
    return "\n\n".join(parts) + "\n"


def csv_text(table: Comparison) -> str:
    """Every run as a row of comma-separated values, metrics in full precision under their full names."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["experiment", *table.settings, *table.repeated_over, *table.metrics])
    for row in table.rows:
        for place, (name, repeat) in enumerate(zip(row.runs, row.repeats, strict=True)):
            writer.writerow([name, *row.settings, *repeat, *(cell.values[place] for cell in row.cells)])
    return stream.getvalue()


def page(table: Comparison, title: str) -> str:
    """Table and plots as one HTML page that works offline."""
    numbers = range(len(table.metrics)) if table.rows else ()
    plots = [(metric_label(table.metrics[number]), metric_svg(table, number)) for number in numbers]
    best = [[cell.best for cell in row.cells] for row in table.rows]
    text = templates().get_template("experiments.html").render(
        title=title,
        columns=[*_setting_names(table), "n", *_metric_names(table)],
        first_number=len(table.settings),
        rows=[(cells, [False] * (len(table.settings) + 1) + of) for cells, of in zip(_rows(table), best, strict=True)],
        repeats=_repeats(table),
        plots=plots,
        unfinished=_unfinished(table),
        unfinished_columns=UNFINISHED,
        doubles=table.doubles,
    )  # fmt: skip
    return text.rstrip() + "\n"


def _rows(table: Comparison, mark: Callable[[str], str] = str) -> tuple[tuple[str, ...], ...]:
    """Each row's settings, its n, and its cells as text, the best ones marked."""
    factors = [scale(table, number)[0] for number in range(len(table.metrics))]
    rows = []
    for row in table.rows:
        texts = [cell_text(cell, factor) for cell, factor in zip(row.cells, factors, strict=True)]
        marked = [mark(text) if cell.best else text for text, cell in zip(texts, row.cells, strict=True)]
        rows.append((*map(setting_text, row.settings), str(len(row.runs)), *marked))
    return tuple(rows)


def _setting_names(table: Comparison) -> list[str]:
    return [setting_label(key) for key in table.settings]


def _metric_names(table: Comparison) -> list[str]:
    return [f"{metric_label(metric)}{scale(table, number)[1]}" for number, metric in enumerate(table.metrics)]


def _unfinished(table: Comparison) -> tuple[tuple[str, ...], ...]:
    return tuple((run.name, run.state, settings, run.reason) for run, settings in table.unfinished)


def _repeats(table: Comparison) -> str:
    return f"runs that differ only in {' and '.join(table.repeated_over)}"


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: int = 0) -> str:
    """A table whose last ``numeric`` columns hold numbers."""
    rules = ["---"] * (len(columns) - numeric) + ["---:"] * numeric
    lines = [[visible(cell).replace("|", "\\|") for cell in row] for row in (columns, rules, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
