"""Plots as inline SVG: text stays text, and colours are the page's, so that both of its colour schemes can be read.

Matplotlib draws with placeholder colours, which become ``currentColor`` and the style sheet's variables. Figures are as wide
as a phone: on a wider screen two stand side by side, and letters keep their size. Ids are hashed with a fixed salt and
prefixed by the figure's name, and no date is written: the same numbers give the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from pipeline.reporting.inputs import ScoreHistogram, Series
from pipeline.reporting.judged_precision import JudgedPrecision

WIDTH, HEIGHT = 5.0, 3.1
"""Inches of 72 points; the style sheet gives them the width of their column."""

INK, FAINT = "#010203", "#010204"
PALETTE = ("#010211", "#010212", "#010213", "#010214", "#010215", "#010216", "#010217", "#010218")
COLOURS = {INK: "currentColor", FAINT: "var(--faint)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(PALETTE, start=1)
}
"""Placeholders, and what the page puts in their place."""

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "softalign",
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.4,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "path.simplify": False,
}


def training_loss(series: Series) -> Markup:
    """Loss by step."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.plot(series.steps, series.values, color=PALETTE[0], linewidth=1.8, marker="o", markersize=3)
        axes.set_xlabel("step")
        axes.set_ylabel("training loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))

    return svg("loss", f"Training loss, {_range(series)}", draw)


def dev_accuracy(mean: Series, pairs: Sequence[Series], best_step: int | None) -> Markup:
    """Accuracy on the dev set by step: the mean, and each language pair."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for number, series in enumerate(pairs):
            colour = PALETTE[1 + number % (len(PALETTE) - 1)]
            name = series.name.rpartition("/")[2]
            axes.plot(series.steps, series.values, color=colour, linewidth=1, label=name)
        axes.plot(mean.steps, mean.values, color=PALETTE[0], linewidth=2.4, marker="o", markersize=3, label="mean")
        if best_step is not None:
            axes.axvline(best_step, color=INK, linewidth=0.8, linestyle=":")
        axes.set_xlabel("step" if best_step is None else "step (dotted: the one that was kept)")
        axes.set_ylabel("retrieval accuracy, dev")
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        if len(pairs) < len(PALETTE):  # more would share colours
            figure.legend(loc="outside upper center", ncols=5, columnspacing=1.0, handlelength=1.2)

    return svg("dev", f"Retrieval accuracy on the dev set, {_range(mean)}", draw)


def scores_by_pair(scores: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any], Any]]) -> Markup:
    """Accuracy and F1 of each language pair, with their intervals; see `facts.score_rows`."""
    names = [row[0] for row in scores]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for offset, values, key, name, colour in (
            (-0.13, [row[1] for row in scores], "accuracy", "retrieval accuracy", PALETTE[0]),
            (0.13, [row[2] for row in scores], "f1", "mining F1", PALETTE[1]),
        ):
            there = [(place, found) for place, found in enumerate(values) if found]
            places = [place + offset for place, _ in there]
            axes.hlines(places, [v["low"] for _, v in there], [v["high"] for _, v in there], color=colour, linewidth=2)
            axes.plot([v[key] for _, v in there], places, "o", color=colour, markersize=6, label=name)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.grid(axis="y", visible=False)
        figure.legend(loc="outside upper center", ncols=2)

    height = max(HEIGHT * 0.7, 0.75 + 0.42 * len(names))
    return svg("scores", f"Scores of {', '.join(names)} with 95 % intervals", draw, height)


def score_histogram(
    pair: str, histogram: ScoreHistogram, threshold: float | None, interval: tuple[float, float] | None = None
) -> Markup:
    """Scores of candidates, and the threshold among them with its interval."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        edges, widths = (
            histogram.edges[:-1],
            [b - a for a, b in zip(histogram.edges, histogram.edges[1:], strict=False)],
        )
        bars: dict[str, Any] = {"align": "edge", "width": widths}
        if histogram.judged:
            axes.bar(edges, histogram.true, color=PALETTE[0], label="translations", **bars)
            axes.bar(edges, histogram.false, bottom=histogram.true, color=PALETTE[1], label="others", **bars)
        else:
            axes.bar(edges, histogram.false, color=PALETTE[2], label="candidates", **bars)
        tallest = max(t + f for t, f in zip(histogram.true, histogram.false, strict=True))
        axes.set_ylim(0, 1.05 * max(tallest, 1))
        if interval is not None:
            axes.axvspan(*interval, color=INK, alpha=0.13, linewidth=0)
        if threshold is not None:
            axes.axvline(threshold, color=INK, linewidth=1.2, linestyle="--", label=f"threshold {threshold:.3f}")
        axes.set_xlabel(f"score, {pair}")
        axes.set_ylabel("candidates")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        figure.legend(loc="outside upper center", ncols=3, columnspacing=1.2, handlelength=1.4)

    counted = sum(histogram.true) + sum(histogram.false)
    within = "" if interval is None else f"; threshold {interval[0]:.3f} to {interval[1]:.3f}"
    label = f"Scores of {counted:,} candidates of {pair}{within}"
    return svg(f"histogram-{pair}", label, draw)


def precision_plot(found: JudgedPrecision, threshold: float | None) -> Markup:
    """Precision against threshold with its interval, the simultaneous bound, and the threshold in use."""
    curve = found.curve

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.fill_between(curve.threshold, curve.low, curve.high, color=PALETTE[0], alpha=0.2, linewidth=0)
        axes.plot(curve.threshold, curve.precision, color=PALETTE[0], label="precision, 95 % interval")
        axes.plot(curve.threshold, curve.bound, color=PALETTE[1], linewidth=1.2, label="at least")
        if threshold is not None:
            axes.axvline(threshold, color=INK, linewidth=1.2, linestyle="--", label=f"threshold {threshold:.3f}")
        axes.set_ylim(min(0.5, float(curve.bound.min())), 1.01)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.set_xlabel(f"threshold, {found.pair}")
        figure.legend(loc="outside upper center", ncols=3, columnspacing=1.2, handlelength=1.4)

    lowest = f"{curve.precision[-1]:.1%} at {curve.threshold[-1]:.3f}"
    return svg(
        f"judged-{found.pair}", f"Judged precision of {found.pair} against threshold: {lowest} at the lowest", draw
    )


def svg(name: str, label: str, draw: Callable[[Figure], None], height: float = HEIGHT) -> Markup:
    """Draw a figure and return it as an element for HTML.

    Args:
        name: the prefix of the figure's ids.
        label: what it shows, for those who can't see it.
        draw: puts the content into the figure.
        height: the figure's height in inches.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    # Ids get the figure's prefix; fonts and styles are left to the page.
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'xlink:href="#', f'xlink:href="#{name}-', text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)  # the page's own
    text = re.sub(
        r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL
    )  # would reach the whole page
    # Placeholders become the page's colours.
    for placeholder, colour in COLOURS.items():
        text = text.replace(placeholder, colour)
    head = re.search(r'<svg[^>]*viewBox="([^"]*)"[^>]*>', text)
    if head is None:
        raise ValueError("matplotlib's SVG has no view box")
    opening = (
        f'<svg viewBox="{head[1]}" role="img" aria-label="{escape(label)}" xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    # Drawn here from numbers and from names that matplotlib escapes, and the label is escaped: no one else's markup.
    return Markup(opening + re.sub(r"\n\s*", "\n", text[head.end() :]).rstrip())  # noqa: S704


def _range(series: Series) -> str:
    return f"from {series.values[0]:.3g} to {series.values[-1]:.3g}" if series.values else "without values"
