"""Plots of experiments: a metric against the one number that varies, or by setting; every run is a tick."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from pipeline.console.plain_text import clip, visible
from pipeline.reporting.experiments import Comparison, Row, metric_label, scale
from pipeline.reporting.plots import HEIGHT, PALETTE, svg
from pipeline.reporting.render import TEMPLATES
from pipeline.reporting.settings import setting_label, setting_text

WIDE = 8
"""The ratio of the largest value to the smallest from which on the axis is logarithmic."""

LETTERS = 48
"""The longest label; a longer one would leave no room for its plot."""


def metric_svg(table: Comparison, number: int) -> Markup:
    """One metric as an element for HTML."""
    return _svg(f"metric-{number}", table, [number])


def standalone_svg(table: Comparison) -> str:
    """All metrics, one below the other, as a file of its own that needs no style sheet."""
    text = _svg("experiments", table, range(len(table.metrics)))
    # The page's colours are variables of its style sheet; here they stand in the file.
    rules = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    colours = re.search(r":root \{(.*?)\}", rules, re.DOTALL)
    variables = re.sub(r"color-scheme:[^;]*;|\s+", " ", colours[1]).strip() if colours else ""
    style = f"<style>svg {{ {variables} color: var(--ink); background: var(--page); font-family: sans-serif }}</style>"
    head, _, rest = str(text).partition(">")
    return f"{head}>{style}{rest}\n"


def numeric_setting(table: Comparison) -> int | None:
    """The place of the setting that is drawn along the axis: the only one whose values are numbers in all rows.

    None if there is none, or several, or the others make more lines than there are colours, or a line of one point.
    """
    numeric = [
        place
        for place in range(len(table.settings))
        if all(type(row.settings[place]) in {int, float} for row in table.rows)  # not bool, which is an int, too
    ]
    if len(numeric) != 1:
        return None
    lines = _lines(table, numeric[0]).values()
    return numeric[0] if 0 < len(lines) <= len(PALETTE) and all(len(rows) > 1 for rows in lines) else None


def _svg(name: str, table: Comparison, numbers: Sequence[int]) -> Markup:
    by = ", ".join(setting_label(key) for key in table.settings) or "run"
    label = f"{', '.join(metric_label(table.metrics[number]) for number in numbers)} by {by}"
    height = HEIGHT
    if numeric_setting(table) is None:  # a line of text for each setting of each row
        height = 0.75 + (0.2 + 0.17 * max(1, len(table.settings))) * max(2, len(table.rows))
    return svg(name, label, partial(_draw, table=table, numbers=numbers), height * len(numbers))


def _draw(figure: Figure, table: Comparison, numbers: Sequence[int]) -> None:
    place = numeric_setting(table)
    panels = figure.subplots(len(numbers), 1, squeeze=False)[:, 0]
    for axes, number in zip(panels, numbers, strict=True):
        factor, unit = scale(table, number)
        name = _shown(f"{metric_label(table.metrics[number])}{unit}")
        if place is None:
            _points(axes, list(range(len(table.rows))), table.rows, number, factor, upright=False)
            axes.set_yticks(range(len(table.rows)), [_row_label(table, row) for row in table.rows])
            axes.set_ylim(len(table.rows) - 0.5, -0.5)
            axes.grid(axis="y", visible=False)
            axes.locator_params(axis="x", nbins=5)
            axes.set_xlabel(name)
            continue
        for index, (line, rows) in enumerate(_lines(table, place).items()):
            x = [_number(row, place) for row in rows]
            _points(axes, x, rows, number, factor, upright=True, colour=PALETTE[index], label=line)
        values = sorted({_number(row, place) for row in table.rows})
        if values[0] > 0 and values[-1] / values[0] >= WIDE:
            axes.set_xscale("log")
        if len(values) <= 8:
            axes.set_xticks(values, [f"{value:g}" for value in values])
            axes.set_xticks([], minor=True)
        axes.set_xlabel(_shown(setting_label(table.settings[place])))
        axes.set_ylabel(name)
    if place is not None and len(_lines(table, place)) > 1:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, columnspacing=1.2, handlelength=1.4)


def _points(
    axes: Any, places: Sequence[float], rows: Sequence[Row], number: int, factor: float, upright: bool,
    colour: str = PALETTE[0], label: str | None = None,
) -> None:  # fmt: skip
    """Means with one standard deviation to each side, and a tick for each run; along the x axis if ``upright``."""
    cells = [row.cells[number] for row in rows]
    means, spreads = [factor * cell.mean for cell in cells], [factor * (cell.spread or 0.0) for cell in cells]
    ticks = [(place, factor * value) for place, cell in zip(places, cells, strict=True) for value in cell.values]
    style = {"color": colour, "elinewidth": 1.2, "markersize": 5, "linewidth": 1.6 if upright else 0.0}
    if upright:
        axes.errorbar(places, means, yerr=spreads, marker="o", label=label, **style)
    else:
        axes.errorbar(means, places, xerr=spreads, marker="o", label=label, **style)
    across, up = zip(*(tick if upright else tick[::-1] for tick in ticks), strict=True)
    axes.plot(across, up, "_" if upright else "|", color=colour, markersize=5)


def _lines(table: Comparison, place: int) -> dict[str, list[Row]]:
    """Rows by their settings but for the one on the axis, each line in the order of that one."""
    lines: dict[str, list[Row]] = {}
    for row in sorted(table.rows, key=lambda row: _number(row, place)):
        texts = _setting_texts(table, row)
        lines.setdefault(_shown(", ".join(texts[:place] + texts[place + 1 :])), []).append(row)
    return dict(sorted(lines.items(), key=lambda line: table.rows.index(line[1][0])))


def _row_label(table: Comparison, row: Row) -> str:
    """A row's settings, broken where a phone's width would be too narrow for names and plot."""
    return "\n".join(map(_shown, _setting_texts(table, row))) or "all"


def _setting_texts(table: Comparison, row: Row) -> list[str]:
    """Settings in a label: text speaks for itself, a number needs its name."""
    return [
        value if isinstance(value, str) else f"{setting_label(key)} {setting_text(value)}"
        for key, value in zip(table.settings, row.settings, strict=True)
    ]


def _shown(text: str) -> str:
    """Text that matplotlib shows as it is: a dollar sign would start a formula."""
    return visible(clip(text, LETTERS)).replace("$", r"\$")


def _number(row: Row, place: int) -> float:
    return float(row.settings[place] or 0)
