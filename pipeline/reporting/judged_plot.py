"""The plot of judged precision against threshold."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from pipeline.reporting.judged_precision import JudgedPrecision
from pipeline.reporting.plots import INK, PALETTE, svg


def precision_plot(found: JudgedPrecision, threshold: float | None) -> str:
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
