"""Plots of the student's space: similarities, sentences on two axes, retrieval between all languages."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from pipeline.reporting.plots import FAINT, HEIGHT, INK, PALETTE, svg
from pipeline.reporting.space import HeatMap, PlaneProjection, Similarities

MARKERS = ("o", "s", "^", "D", "v")

SPAN = 0.2
"""Accuracy between the faintest and the strongest colour, at least: small differences should look small."""

LABELLED = 16
"""Languages of a heat map whose cells still have room for a number."""


def similarity_histogram(found: Similarities) -> Markup:
    """Cosines of translations and of others, each as shares of its own."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for number, (values, name) in enumerate(
            ((found.translations, "translations"), (found.others, "others"), (found.nearest, "nearest others"))
        ):
            axes.stairs(values, found.edges, color=PALETTE[number], linewidth=1.8, label=name)
            if number == 0:
                axes.stairs(values, found.edges, color=PALETTE[number], alpha=0.2, fill=True)
        axes.set_xlim(found.edges[0], found.edges[-1])
        axes.set_xlabel(f"cosine, {found.pair}")
        axes.set_ylabel("share")
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        figure.legend(loc="outside upper center", ncols=3, columnspacing=1.2, handlelength=1.4)

    label = f"Cosines of {found.sentences:,} translations of {found.pair} and of sentences that are none"
    return svg(f"similarity-{found.pair}", label, draw)


def projection_plot(found: PlaneProjection) -> Markup:
    """Sentences in several languages; translations are joined to the first language's sentence."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for points in found.points[1:]:
            for (x, y), (to_x, to_y) in zip(found.points[0], points, strict=True):
                axes.plot([x, to_x], [y, to_y], color=FAINT, linewidth=0.8, zorder=1)
        for number, (language, points) in enumerate(zip(found.languages, found.points, strict=True)):
            across, up = ([point[axis] for point in points] for axis in (0, 1))
            marker = MARKERS[number % len(MARKERS)]
            axes.plot(
                across,
                up,
                marker,
                color=PALETTE[number % len(PALETTE)],
                markersize=4.5,
                linestyle="",
                label=language,
                zorder=2,
            )
        first, second = found.explained
        axes.set_xlabel(f"first component ({100 * first:.0f} % of the variance)")
        axes.set_ylabel(f"second ({100 * second:.0f} %)")
        axes.grid(visible=False)
        axes.set_xticks([])
        axes.set_yticks([])
        figure.legend(loc="outside upper center", ncols=5, columnspacing=1.0, handletextpad=0.2)

    label = f"{len(found.points[0])} sentences in {', '.join(found.languages)} on their first two principal components"
    return svg("projection", label, draw, HEIGHT * 1.25)


def heat_map_plot(name: str, found: HeatMap) -> Markup:
    """Accuracy from row to column: the stronger the colour, the better."""
    count = len(found.languages)
    known = [value for row in found.accuracy for value in row if value is not None]
    high = max(known)
    low = min(*known, high - SPAN)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for row, values in enumerate(found.accuracy):
            for column, value in enumerate(values):
                if value is not None:
                    _square(axes, row, column, (value - low) / (high - low) if high > low else 1.0)
                    if count <= LABELLED:
                        size = 10 if count <= 8 else 7
                        axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=INK, fontsize=size)
        axes.set_xticks(range(count), found.languages, rotation=0 if count <= 8 else 90)
        axes.set_yticks(range(count), found.languages)
        axes.tick_params(length=0)
        axes.xaxis.tick_top()
        axes.set_xlim(-0.5, count - 0.5)
        axes.set_ylim(count - 0.5, -0.5)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    label = f"Retrieval accuracy between {count} languages, from {100 * min(known):.1f} to {100 * high:.1f} per cent"
    return svg(name, label, draw, min(5.0, max(2.4, 0.8 + 0.55 * count)))


def _square(axes: Any, row: int, column: int, depth: float) -> None:
    """Opacity carries the value: it darkens on a light page and brightens on a dark one, and letters stay legible."""
    axes.fill(
        [column - 0.47, column + 0.47, column + 0.47, column - 0.47],
        [row - 0.47, row - 0.47, row + 0.47, row + 0.47],
        color=PALETTE[0],
        alpha=round(0.08 + 0.47 * depth, 3),
        linewidth=0,
    )
