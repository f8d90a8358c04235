"""The comparison of experiments as text of several kinds: a page, Markdown, CSV, and what a terminal shows.

Equal comparisons give equal text: nothing of time, place or machine is in it.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from markupsafe import Markup

from pipeline.console.plain_text import visible
from pipeline.inspecting.view import Table, View
from pipeline.reporting.experiment_plots import metric_svg
from pipeline.reporting.experiments import Comparison
from pipeline.reporting.number_formats import cell_text, metric_label, scale
from pipeline.reporting.render import templates
from pipeline.reporting.settings import setting_label, setting_text


def view(table: Comparison) -> View:
    """The tables for a terminal or a pipe; the best values carry a star."""
    rows = [[*texts[:-1], *(f"{text} *" if best else text for text, best in texts[-1])] for texts in _rows(table)]
    columns = (*_setting_names(table), "n", *_metric_names(table))
    numeric = frozenset(("n", *_metric_names(table)))
    tables = []
    if rows:
        note = f"mean ± standard deviation over {_repeats(table)}; * the best of a column"
        tables.append(Table("experiments", columns, tuple(tuple(row) for row in rows), numeric, note))
    if table.unfinished:
        tables.append(Table("without results", ("experiment", "state", "settings", "why"), _unfinished(table)))
    facts = [("rows", str(len(rows))), ("experiments", str(sum(len(row.runs) for row in table.rows)))]
    facts += [("replaced by later ones", ", ".join(table.doubles))] if table.doubles else []
    return View("comparison of experiments", tuple(facts), tuple(tables))


def markdown(table: Comparison, plot: str | None = None) -> str:
    """The table in Markdown, the best values in bold; with the path of its plot, if there is one."""
    columns = [*_setting_names(table), "n", *_metric_names(table)]
    lines = [_line(columns), _line(["---"] * len(_setting_names(table)) + ["---:"] * (len(table.metrics) + 1))]
    lines += [
        _line([*texts[:-1], *(f"**{text}**" if best else text for text, best in texts[-1])]) for texts in _rows(table)
    ]
    if not table.rows:
        lines = ["No experiment has finished."]
    elif plot is not None:
        lines += ["", f"![{', '.join(_metric_names(table))}]({plot})"]
    lines += (
        ["", f"Mean ± standard deviation over {_repeats(table)}; the best of a column is bold."] if table.rows else []
    )
    if table.doubles:
        lines += ["", f"Replaced by later ones of the same settings: {', '.join(table.doubles)}."]
    if table.unfinished:
        lines += ["", _line(["experiment", "state", "settings", "why"]), _line(["---"] * 4)]
        lines += [_line(list(row)) for row in _unfinished(table)]
    return "\n".join(lines) + "\n"


def csv_text(table: Comparison) -> str:
    """Every run as a row of comma-separated values, metrics in full precision under their full names."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["experiment", *table.settings, *table.repeated_over, *table.metrics])
    for row in table.rows:
        for place, (name, repeat) in enumerate(zip(row.runs, row.repeats, strict=True)):
            values = [cell.values[place] for cell in row.cells]
            writer.writerow([name, *("" if value is None else value for value in (*row.settings, *repeat)), *values])
    return stream.getvalue()


def page(table: Comparison, title: str) -> str:
    """Table and plots as one HTML page that works offline."""
    # The plots are drawn here; their labels are escaped by matplotlib and by `svg`: no one else's markup.
    plots = [
        (metric_label(metric), Markup(metric_svg(table, number)))  # noqa: S704
        for number, metric in enumerate(table.metrics)
        if table.rows
    ]
    text = (
        templates()
        .get_template("experiments.html")
        .render(
            title=title,
            settings=[(setting_label(key), key) for key in table.settings],
            metrics=list(zip(_metric_names(table), table.metrics, strict=True)),
            rows=[(row[: len(table.settings)], row[-2], row[-1]) for row in _rows(table)],
            runs=[", ".join(row.runs) for row in table.rows],
            repeats=_repeats(table),
            plots=plots,
            unfinished=_unfinished(table),
            doubles=table.doubles,
        )
    )
    return text.rstrip() + "\n"


def _rows(table: Comparison) -> list[list[Any]]:
    """Each row's settings, its n, and at the end its cells as (text, best)."""
    factors = [scale(table, number)[0] for number in range(len(table.metrics))]
    return [
        [
            *(setting_text(value) for value in row.settings),
            str(len(row.runs)),
            [(cell_text(cell, factor), cell.best) for cell, factor in zip(row.cells, factors, strict=True)],
        ]
        for row in table.rows
    ]


def _setting_names(table: Comparison) -> list[str]:
    return [setting_label(key) for key in table.settings]


def _metric_names(table: Comparison) -> list[str]:
    return [f"{metric_label(metric)}{scale(table, number)[1]}" for number, metric in enumerate(table.metrics)]


def _unfinished(table: Comparison) -> tuple[tuple[str, str, str, str], ...]:
    return tuple((run.name, run.state, settings, run.reason) for run, settings in table.unfinished)


def _repeats(table: Comparison) -> str:
    return f"runs that differ only in {' and '.join(table.repeated_over)}"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(visible(cell).replace("|", "\\|") for cell in cells) + " |"
