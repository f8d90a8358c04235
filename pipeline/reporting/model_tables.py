"""A table for each benchmark: a row for each task, a column for each model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.reporting.models import STUDENT, Lead, ModelScores

NONE = "–"

TASKS = 60
"""Tasks shown of a benchmark; of more, those in which the student is worst."""

NOT_SEEN = (NONE, "0.0")

STATISTICS = {"spearman": "Spearman", "pearson": "Pearson", "f1": "F1"}


@dataclass(frozen=True)
class ScoreCell:
    """A model's score on a task."""

    value: str  # the score in per cent
    interval: str = ""  # 95 %; empty without
    clean: str = ""  # the score without sentences seen in training; empty if unknown, or if none was seen
    tasks: int = 0  # how many the mean is over, if they are fewer than the student's; else 0
    lead: str = ""  # how far the student is ahead of this model, in points; empty for the student
    sign: int = 0  # 1 or -1 where the student is better or worse by more than chance, else 0
    best: bool = False  # no model is better


@dataclass(frozen=True)
class TaskRow:
    """A row."""

    task: str  # the task's name, or ``mean``
    seen: str  # the share of its sentences that stood in the training text; a dash if nobody looked
    cells: tuple[ScoreCell, ...]  # a cell for each model


@dataclass(frozen=True)
class BenchmarkTable:
    """A benchmark."""

    name: str  # the benchmark's name in params.yaml
    statistic: str  # what the numbers are
    models: tuple[str, ...]  # the columns
    rows: tuple[TaskRow, ...]  # the mean first, if there are several tasks
    left_out: int  # tasks that are not shown


def benchmark_tables(models: ModelScores | None) -> list[BenchmarkTable]:
    """The tables, in the order in which the student was measured."""
    return [] if models is None else [_table(models, name) for name in models.benchmarks]


def statistic_name(about: Mapping[str, Any]) -> str:
    """What a benchmark's numbers are called.

    >>> statistic_name({"main": "spearman"}), statistic_name({"main": "accuracy"})
    ('Spearman', 'accuracy')
    """
    return STATISTICS.get(about["main"], str(about["main"]))


def _table(models: ModelScores, name: str) -> BenchmarkTable:
    about = models.of(STUDENT, name)
    main, tasks = about["main"], about["tasks"]
    shown = list(tasks)
    if len(shown) > TASKS:
        worst = sorted(shown, key=lambda task: (tasks[task][main]["value"], task))[:TASKS]
        shown = [task for task in shown if task in set(worst)]
    columns = models.names
    rows = [_row(models, name, task, columns) for task in (["mean"] if len(tasks) > 1 else []) + shown]
    return BenchmarkTable(name, statistic_name(about), tuple(columns), tuple(rows), len(tasks) - len(shown))


def _row(models: ModelScores, name: str, task: str, columns: list[str]) -> TaskRow:
    values = {model: _value(models.of(model, name), task) for model in columns}
    fewer = {model: _fewer(models, model, name) if task == "mean" else 0 for model in columns}
    best = max(value["value"] for model, value in values.items() if value and not fewer[model])
    seen = _seen(models.of(STUDENT, name), task)
    cells = tuple(
        _cell(
            values[model], models.leads.get(model, {}).get(name, {}).get(task), best, fewer[model], seen not in NOT_SEEN
        )
        for model in columns
    )
    return TaskRow(task, seen, cells)


def _fewer(models: ModelScores, model: str, name: str) -> int:
    tasks, wanted = (models.of(one, name).get("tasks", {}).keys() for one in (model, STUDENT))
    return len(tasks) if tasks != wanted else 0


def _value(about: Mapping[str, Any], task: str) -> Mapping[str, Any]:
    if not about:
        return {}
    found: Mapping[str, Any] = about["mean"] if task == "mean" else about["tasks"].get(task, {})
    value: Mapping[str, Any] = found.get(about["main"], {})
    return value


def _cell(value: Mapping[str, Any], lead: Lead | None, best: float, tasks: int, some_seen: bool) -> ScoreCell:
    if not value:
        return ScoreCell(NONE)
    return ScoreCell(
        value=f"{100 * value['value']:.1f}",
        interval=f"{100 * value['low']:.1f}–{100 * value['high']:.1f}" if "low" in value else "",
        clean=f"{100 * value['clean']:.1f}" if "clean" in value and some_seen else "",
        tasks=tasks,
        lead="" if lead is None else points(lead.gain),
        sign=0 if lead is None else lead.sign,
        best=value["value"] == best and not tasks,
    )


def _seen(about: Mapping[str, Any], task: str) -> str:
    chosen = about["tasks"].values() if task == "mean" else [about["tasks"][task]]
    found = [one["cleanliness"] for one in chosen if "cleanliness" in one]
    if not found:
        return NONE
    share = sum(one["seen"] + one["nearly_seen"] for one in found) / max(sum(one["sentences"] for one in found), 1)
    return f"{100 * share:.1f}"


def points(gain: float) -> str:
    """A difference of shares in points.

    >>> points(0.0312), points(-0.5), points(0.0)
    ('+3.1', '−50.0', '±0.0')
    """
    text = f"{abs(100 * gain):.1f}"
    return f"{'±' if text == '0.0' else '+' if gain > 0 else '−'}{text}"
