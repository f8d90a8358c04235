"""How numbers of several runs are written: metric names, shares in per cent, means with their standard deviation."""

from __future__ import annotations

from pipeline.reporting.experiments import BENCHMARK_MEAN, Comparison, MetricCell, lower_is_better

METRIC_LABELS = {
    "train.dev_accuracy": "dev accuracy",
    "train.last_loss": "last loss",
    "evaluate.retrieval.mean": "retrieval",
    "evaluate.mining.mean_f1": "mining F1",
}


def metric_label(metric: str) -> str:
    """A metric's name in a table.

    >>> metric_label("evaluate.benchmarks.tatoeba.accuracy"), metric_label("embed.en.sentences")
    ('tatoeba accuracy', 'embed.en.sentences')
    """
    if (found := BENCHMARK_MEAN.fullmatch(metric)) is not None:
        return f"{found[1]} {found[2].replace('_', ' ')}"
    return METRIC_LABELS.get(metric, metric)


def scale(table: Comparison, number: int) -> tuple[float, str]:
    """The factor and the unit that a metric is shown with: shares and correlations (-1 to 1) in per cent."""
    values = [value for row in table.rows for value in row.cells[number].values]
    share = not lower_is_better(table.metrics[number]) and all(-1 <= value <= 1 for value in values)
    share = share and any(value != int(value) for value in values)  # counts of 0 and 1 are counts
    return (100.0, ", %") if share else (1.0, "")


def cell_text(cell: MetricCell, factor: float) -> str:
    """Mean and standard deviation.

    >>> cell_text(MetricCell((0.5, 0.52)), 100.0), cell_text(MetricCell((1234.5,)), 1.0)
    ('51.00 ± 1.41', '1234')
    """
    mean = _number(factor * cell.mean, factor)
    return mean if cell.spread is None else f"{mean} ± {_number(factor * cell.spread, factor)}"


def _number(value: float, factor: float) -> str:
    return f"{value:.2f}" if factor == 100 else f"{value:.4g}"
