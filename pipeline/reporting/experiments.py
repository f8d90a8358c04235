"""Experiments side by side: runs that differ only in their seed are one row, with mean and standard deviation.

What is compared is chosen here and is no one's opinion: only parameters that vary are columns, rows are in the order of their
settings (never of their results), the same experiments give the same table. Holds the numbers of all runs in memory.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.console.errors import UserError
from pipeline.reporting.settings import Value, flat_settings, order_key, setting_text, varying, with_defaults

DEFAULT_METRICS = ("train.dev_accuracy", "evaluate.retrieval.mean", "evaluate.mining.mean_f1")
BENCHMARK_MEAN = re.compile(
    r"evaluate\.benchmarks\.((?:(?!\.(?:tasks|pairs)\.).)+)\.(?!(?:clean|seen)$|.*_?(?:low|high)$)(\w+)"
)
"""A benchmark's own number, ``evaluate.benchmarks.<name>.<measure>``: not its tasks', not over its clean items only."""

COMMIT = "commit"
"""The column of the commit that experiments started from, where it isn't the same for all."""


METRIC_LABELS = {
    "train.dev_accuracy": "dev accuracy",
    "train.last_loss": "last loss",
    "evaluate.retrieval.mean": "retrieval",
    "evaluate.mining.mean_f1": "mining F1",
}


@dataclass(frozen=True)
class ExperimentRun:
    """One experiment."""

    name: str  # the experiment's name in DVC
    state: Literal["success", "running", "queued", "failed"]  # whether it ended, and how
    params: Mapping[str, Any]  # parameters as written, nested
    # numbers by ``<file>.<key>``, such as ``evaluate.retrieval.mean``
    metrics: Mapping[str, float] = field(default_factory=dict)
    commit: str = ""  # the commit that it started from
    time: str = ""  # when it was made, as text that sorts
    reason: str = ""  # why it failed


@dataclass(frozen=True)
class MetricCell:
    """A metric in a row of the table."""

    values: tuple[float, ...]  # each run's value, in the order of `Row.runs`
    best: bool = False  # whether no row has a better mean

    @property
    def mean(self) -> float:
        """The mean over the runs."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float | None:
        """Sample standard deviation (n - 1); None for one run."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Row:
    """Runs with the same settings."""

    settings: tuple[Value, ...]  # values of the table's settings
    runs: tuple[str, ...]  # names of the experiments, ordered by ``repeats``
    repeats: tuple[tuple[Value, ...], ...]  # what each run differs in from the others (its seed)
    cells: tuple[MetricCell, ...]  # a cell for each metric, in the table's order


@dataclass(frozen=True)
class Comparison:
    """The table."""

    settings: tuple[str, ...]  # keys of the parameters that vary
    metrics: tuple[str, ...]  # full names of the metrics
    repeated_over: tuple[str, ...]  # the parameters in which runs of one row may differ
    rows: tuple[Row, ...]  # ordered by settings
    unfinished: tuple[tuple[ExperimentRun, str], ...]  # runs without results, with what is known of their settings
    doubles: tuple[str, ...]  # names of runs that a later one with the same settings and seed replaces


def compare(
    runs: Sequence[ExperimentRun], wanted: Sequence[str] = (), repeated_over: Sequence[str] = ("seed",)
) -> Comparison:
    """Group runs and make the table.

    Args:
        runs: all experiments, of any state.
        wanted: the metrics that are shown, as full names, their unique last parts, or patterns with ``*``; empty: dev
            accuracy, held-out retrieval, mining F1 and the means of all benchmarks, as far as they were measured.
        repeated_over: parameters in which runs of a row may differ.

    Raises:
        UserError: if there is no run, a metric or a parameter is unknown, or finished runs have not all of the metrics.
    """
    # In the order of time, so that of two equal runs the later one is met last.
    done = sorted((run for run in runs if run.state == "success"), key=lambda run: (run.time, run.name))
    if not runs:
        raise UserError("found no experiments; expected some, such as `dvc exp run --queue -S seed=1,2` makes")
    metrics = choose_metrics(done, wanted) if done else ()
    _same_metrics(done, metrics)
    settings = flat_settings(with_defaults([run.params for run in done]))
    known = list(dict.fromkeys(key for run in settings for key in run))
    for key in repeated_over:
        if done and key not in known:
            raise UserError(f"--group-by: {key!r} is no parameter of these experiments{_near(key, known)}")
    for run, values in zip(done, settings, strict=True):
        values[COMMIT] = run.commit
    columns = varying(settings, repeated_over)
    rows, doubles = _rows(done, settings, columns, repeated_over, metrics)
    return Comparison(
        tuple(columns), metrics, tuple(repeated_over), tuple(rows), tuple(_unfinished(runs)), tuple(doubles)
    )


def choose_metrics(done: Sequence[ExperimentRun], wanted: Sequence[str]) -> tuple[str, ...]:
    """The metrics that are shown, by their full names.

    Raises:
        UserError: if one is unknown or fits several, or there are none.
    """
    known = sorted({name for run in done for name in run.metrics})
    if not wanted:
        found = [name for name in DEFAULT_METRICS if name in known]
        found += [name for name in known if BENCHMARK_MEAN.fullmatch(name)]
        if not found:
            raise UserError(f"the experiments have none of the metrics {', '.join(DEFAULT_METRICS)}{_choice(known)}")
        return tuple(found)
    return tuple(dict.fromkeys(name for pattern in wanted for name in _fitting(pattern, known)))


def lower_is_better(metric: str) -> bool:
    """Whether the best value is the smallest.

    >>> lower_is_better("train.last_loss"), lower_is_better("evaluate.retrieval.mean")
    (True, False)
    """
    return "loss" in metric.rpartition(".")[2]


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
    digits = ".2f" if factor == 100 else ".4g"
    return " ± ".join(f"{factor * value:{digits}}" for value in (cell.mean, cell.spread) if value is not None)


def _fitting(pattern: str, known: Sequence[str]) -> list[str]:
    if pattern in known:
        return [pattern]
    if "*" in pattern:
        found = fnmatch.filter(known, pattern)
    else:
        found = [name for name in known if name.endswith(f".{pattern}")]
        if len(found) > 1:
            raise UserError(f"--metric: {pattern!r} fits {', '.join(found[:5])}; name one of them in full")
    if not found:
        raise UserError(f"--metric: no experiment has {pattern!r}{_near(pattern, known)}")
    return found


def _same_metrics(done: Sequence[ExperimentRun], metrics: Sequence[str]) -> None:
    for metric in metrics:
        lacking = [run.name for run in done if metric not in run.metrics]
        if lacking:
            shared = [name for name in metrics if all(name in run.metrics for run in done)]
            advice = f", or choose what all have: {', '.join(shared)}" if shared else ""
            raise UserError(
                f"experiment {lacking[0]} has no {metric}, which others have ({len(lacking)} of {len(done)} lack it); "
                f"remove it (`dvc exp remove {lacking[0]}`){advice}"
            )


def _rows(
    done: Sequence[ExperimentRun],
    settings: Sequence[Mapping[str, Value]],
    columns: Sequence[str],
    repeated_over: Sequence[str],
    metrics: Sequence[str],
) -> tuple[list[Row], list[str]]:
    """The rows in the order of their settings, and the names of runs that a later one replaces."""
    groups: dict[tuple[Value, ...], dict[tuple[Value, ...], ExperimentRun]] = {}
    doubles = []
    for run, values in zip(done, settings, strict=True):
        group = groups.setdefault(tuple(values.get(key) for key in columns), {})
        repeat = tuple(values.get(key) for key in repeated_over)
        if repeat in group:  # runs are in the order of time: the later one stands
            doubles.append(group[repeat].name)
        group[repeat] = run
    keys = sorted(groups, key=order_key)
    repeats = [sorted(groups[key], key=order_key) for key in keys]
    members = [[groups[key][repeat] for repeat in of] for key, of in zip(keys, repeats, strict=True)]
    # By metric, then by row; the best is known once all rows are there.
    cells = [[MetricCell(tuple(run.metrics[metric] for run in runs)) for runs in members] for metric in metrics]
    for metric, column in zip(metrics, cells, strict=True):
        top = (min if lower_is_better(metric) else max)((cell.mean for cell in column), default=0.0)
        column[:] = [MetricCell(cell.values, cell.mean == top) for cell in column]
    return [
        Row(key, tuple(run.name for run in runs), tuple(of), tuple(column[place] for column in cells))
        for place, (key, runs, of) in enumerate(zip(keys, members, repeats, strict=True))
    ], sorted(doubles)


def _unfinished(runs: Sequence[ExperimentRun]) -> list[tuple[ExperimentRun, str]]:
    """Runs without results, and their settings as written: they may be what keeps them from being read."""
    settings = flat_settings([run.params for run in runs])
    columns = varying(settings)
    found = [
        (run, ", ".join(f"{key}={setting_text(values[key])}" for key in columns if key in values))
        for run, values in zip(runs, settings, strict=True)
        if run.state != "success"
    ]
    order = ("failed", "running", "queued")
    return sorted(found, key=lambda item: (order.index(item[0].state), item[1], item[0].name))


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else _choice(known)


def _choice(known: Sequence[str]) -> str:
    return f"; expected one such as {', '.join(known[:6])}" if known else "; they have no numbers at all"
