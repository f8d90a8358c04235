"""Plots of experiments: a metric against the one number that varies, or by setting; every run is a tick."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from pipeline.console.plain_text import clip, visible
from pipeline.reporting.experiments import Comparison, Row
from pipeline.reporting.number_formats import metric_label, scale
from pipeline.reporting.plots import HEIGHT, PALETTE, svg
from pipeline.reporting.render import TEMPLATES
from pipeline.reporting.settings import Value, setting_label, setting_text

LINES = len(PALETTE)
"""Lines in one plot; more would share colours."""

ASIDE = 0.03
"""Between two lines at the same value, as a share of the smallest step (on a logarithmic axis, of the value)."""

WIDE = 8
"""The ratio of the largest value to the smallest from which on the axis is logarithmic."""

LETTERS = 48
"""Of a label; a longer one would leave no room for its plot."""


def metric_svg(table: Comparison, number: int) -> str:
    """One metric as an element for HTML."""
    name = metric_label(table.metrics[number])
    draw = partial(_draw, table=table, numbers=[number])
    return svg(f"metric-{number}", f"{name} by {_by(table)}", draw, _height(table))


def standalone_svg(table: Comparison) -> str:
    """All metrics, one below the other, as a file of its own that needs no style sheet."""
    numbers = range(len(table.metrics))
    text = svg(
        "experiments",
        f"{', '.join(metric_label(metric) for metric in table.metrics)} by {_by(table)}",
        partial(_draw, table=table, numbers=numbers),
        _height(table) * len(numbers),
    )
    rules = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    colours = re.search(r":root \{(.*?)\}", rules, re.DOTALL)
    variables = re.sub(r"color-scheme:[^;]*;|\s+", " ", colours[1]).strip() if colours else ""
    style = f"<style>svg {{ {variables} color: var(--ink); background: var(--page); font-family: sans-serif }}</style>"
    head, _, rest = text.partition(">")
    return f"{head}>{style}{rest}\n"


def numeric_setting(table: Comparison) -> int | None:
    """The place of the setting that is drawn along the axis: the only one whose values are numbers in all rows.

    None if there is none, or several, or the others make more lines than there are colours, or a line of one point.
    """
    found = [
        place for place in range(len(table.settings)) if all(_is_number(row.settings[place]) for row in table.rows)
    ]
    if len(found) != 1:
        return None
    lines = _lines(table, found[0]).values()
    return found[0] if 0 < len(lines) <= LINES and all(len(rows) > 1 for rows in lines) else None


def _draw(figure: Figure, table: Comparison, numbers: Sequence[int]) -> None:
    place = numeric_setting(table)
    panels = figure.subplots(len(numbers), 1, squeeze=False)[:, 0]
    for axes, number in zip(panels, numbers, strict=True):
        if place is None:
            _by_setting(axes, table, number)
        else:
            _against(axes, table, number, place)
    if place is not None and len(_lines(table, place)) > 1:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, columnspacing=1.2, handlelength=1.4)


def _against(axes: Any, table: Comparison, number: int, place: int) -> None:
    factor, unit = scale(table, number)
    lines = _lines(table, place)
    values = sorted({_number(row, place) for row in table.rows})
    gap = min(after - before for before, after in pairwise(values))
    log = values[0] > 0 and values[-1] / values[0] >= WIDE
    for index, (name, rows) in enumerate(lines.items()):
        colour = PALETTE[index]
        # Beside each other, or one line's spread would hide another's.
        aside = ASIDE * (index - (len(lines) - 1) / 2)
        x = [_number(row, place) * (1 + aside) if log else _number(row, place) + aside * gap for row in rows]
        means = [factor * row.cells[number].mean for row in rows]
        axes.plot(x, means, color=colour, linewidth=1.6, marker="o", markersize=4.5, label=name)
        _spread(axes, x, rows, number, factor, colour, upright=True)
    if log:
        axes.set_xscale("log")
    if len(values) <= 8:
        axes.xaxis.set_major_locator(FixedLocator(values))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel(_shown(setting_label(table.settings[place])))
    axes.set_ylabel(_shown(f"{metric_label(table.metrics[number])}{unit}"))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))


def _by_setting(axes: Any, table: Comparison, number: int) -> None:
    factor, unit = scale(table, number)
    places = [float(place) for place in range(len(table.rows))]
    means = [factor * row.cells[number].mean for row in table.rows]
    axes.plot(means, places, "o", color=PALETTE[0], markersize=5.5)
    _spread(axes, places, table.rows, number, factor, PALETTE[0], upright=False)
    axes.set_yticks(places, [_row_label(table, row) for row in table.rows])
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.set_xlabel(_shown(f"{metric_label(table.metrics[number])}{unit}"))


def _spread(
    axes: Any,
    places: Sequence[float],
    rows: Sequence[Row],
    number: int,
    factor: float,
    colour: str,
    upright: bool,
) -> None:
    """A line of one standard deviation to each side of the mean, and a tick for each run."""
    line = axes.vlines if upright else axes.hlines
    for place, row in zip(places, rows, strict=True):
        cell = row.cells[number]
        if cell.spread is None:
            continue
        line(
            place,
            factor * (cell.mean - cell.spread),
            factor * (cell.mean + cell.spread),
            color=colour,
            linewidth=1.2,
        )
        values = [factor * value for value in cell.values]
        across = [place] * len(values)
        x, y = (across, values) if upright else (values, across)
        axes.plot(x, y, "_" if upright else "|", color=colour, markersize=5)


def _lines(table: Comparison, place: int) -> dict[str, list[Row]]:
    """Rows by their settings but for the one on the axis, each line in the order of that one."""
    lines: dict[str, list[Row]] = {}
    for row in table.rows:
        rest = [
            _setting(key, value)
            for index, (key, value) in enumerate(zip(table.settings, row.settings, strict=True))
            if index != place
        ]
        lines.setdefault(_shown(", ".join(rest)), []).append(row)
    return {name: sorted(rows, key=lambda row: _number(row, place)) for name, rows in lines.items()}


def _row_label(table: Comparison, row: Row) -> str:
    """A row's settings, broken where a phone's width would be too narrow for names and plot."""
    if not table.settings:
        return "all"
    texts = [_setting(key, value) for key, value in zip(table.settings, row.settings, strict=True)]
    return "\n".join(_shown(text) for text in texts)


def _height(table: Comparison) -> float:
    if numeric_setting(table) is not None:
        return HEIGHT
    return 0.75 + (0.2 + 0.17 * max(1, len(table.settings))) * max(2, len(table.rows))


def _setting(key: str, value: Value) -> str:
    """A setting in a label: text speaks for itself, a number needs its name."""
    return value if isinstance(value, str) else f"{setting_label(key)} {setting_text(value)}"


def _shown(text: str) -> str:
    """Text that matplotlib shows as it is: a dollar sign would start a formula."""
    return visible(clip(text, LETTERS)).replace("$", r"\$")


def _by(table: Comparison) -> str:
    return ", ".join(setting_label(key) for key in table.settings) or "run"


def _number(row: Row, place: int) -> float:
    return float(row.settings[place] or 0)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
