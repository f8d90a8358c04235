"""Is one model better than another? Paired bootstrap over sentences (Koehn 2004).

Both models are measured on the same resamples, so what makes a sentence hard for both does not count as a difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.console.errors import InputError, UserError
from pipeline.evaluation.results import ModelResult
from pipeline.evaluation.scoring import Flags, interval
from pipeline.evaluation.statistics import Items, Measure, bootstrap
from pipeline.ground.arrays import Floats


@dataclass(frozen=True)
class ScoreDifference:
    """How far a model is ahead of the first one on a task, or on the mean over tasks."""

    benchmark: str  # the benchmark's name in the results
    task: str  # the task's name; ``mean`` for the mean over tasks
    statistic: str  # the benchmark's main one
    values: tuple[float, ...]  # every model's value, the first one first
    intervals: tuple[tuple[float, float], ...]  # 95 % intervals of every other model's value less the first one's
    # For every other model how often the sign of the difference turns in resamples, two-sided, at least
    # 2 / (resamples + 1); 0.05 or less is commonly called significant.
    p: tuple[float, ...]


def compare(
    results: Sequence[ModelResult], resamples: int = 1_000, seed: int = 0, clean: bool = False
) -> list[ScoreDifference]:
    """Compare models with the first one, on the benchmarks and tasks that all have.

    Holds every model's items and the resamples' statistics of one benchmark in memory.

    Args:
        results: the models' results, at least two.
        resamples: how many resamples the bootstrap draws.
        seed: what the bootstrap's generator starts from.
        clean: whether only items count that are clean in the first result that knows.

    Raises:
        UserError: if there are fewer than two, or nothing that all have.
        InputError: if a task's sentences are not the same in all.
    """
    if len(results) < 2:
        raise UserError("compare: expected at least two results")
    found: list[ScoreDifference] = []
    for benchmark in results[0].items:
        names = [
            task
            for task in results[0].items[benchmark]
            if all(task in result.items.get(benchmark, {}) for result in results)
        ]
        if names:
            found += _benchmark(results, benchmark, names, resamples, seed, clean)
    if not found:
        raise UserError("compare: no benchmark and task is in all of " + ", ".join(str(r.path) for r in results))
    return found


def _benchmark(
    results: Sequence[ModelResult], benchmark: str, names: Sequence[str], resamples: int, seed: int, clean: bool
) -> list[ScoreDifference]:
    aligned = {task: _aligned(results, benchmark, task, clean) for task in names}
    statistic = aligned[names[0]][0].main
    # Every model on the same resamples: the same seed and tasks of the same units and length.
    samples, values = [], []
    for place in range(len(results)):
        tasks = {task: aligned[task][place] for task in names}
        drawn = bootstrap(tasks, resamples, seed, [statistic])
        samples.append({task: drawn[task][statistic] for task in names})
        values.append({task: float(tasks[task].values(names=[statistic])[statistic][0]) for task in names})
    rows = [_difference(benchmark, task, statistic, [v[task] for v in values], [s[task] for s in samples])
            for task in names]  # fmt: skip
    if len(names) > 1:
        means = [float(np.mean(list(value.values()))) for value in values]
        drawn_means = [np.mean(list(sample.values()), axis=0) for sample in samples]
        rows.append(_difference(benchmark, "mean", statistic, means, drawn_means))
    return rows


def _difference(
    benchmark: str, task: str, statistic: str, values: Sequence[float], samples: Sequence[Floats]
) -> ScoreDifference:
    differences = [sample - samples[0] for sample in samples[1:]]
    return ScoreDifference(
        benchmark,
        task,
        statistic,
        tuple(values),
        tuple(interval(of) for of in differences),
        tuple(sign_probability(of) for of in differences),
    )


def sign_probability(differences: Floats) -> float:
    """Twice the smaller share of resamples on either side of zero, the observed sample counted in; at most 1.

    >>> sign_probability(np.array([0.1, 0.2, 0.3]))
    0.5
    """
    below, above = int((differences <= 0).sum()), int((differences >= 0).sum())
    return min(1.0, 2 * (min(below, above) + 1) / (len(differences) + 1))


def _aligned(results: Sequence[ModelResult], benchmark: str, task: str, clean: bool) -> list[Items]:
    """A task's items of every model, the same ones in the same order."""
    measure: Measure = results[0].items[benchmark][task].measure
    if measure == "mining":
        return _aligned_mining(results, benchmark, task, clean)
    ids = results[0].ids[benchmark][task]
    for result in results[1:]:
        if not ids.equals(result.ids[benchmark][task]):
            raise InputError(
                result.path, f"{benchmark} {task}: not about the same sentences as in {results[0].path}, in their order"
            )
    kept = _clean(results, benchmark, task) if clean else None
    return [_only(result.items[benchmark][task], kept) for result in results]


def _only(items: Items, kept: Flags | None) -> Items:
    if kept is None:
        return items
    return Items(items.measure, {name: column[kept] for name, column in items.columns.items()}, items.units)


def _clean(results: Sequence[ModelResult], benchmark: str, task: str) -> Flags:
    for result in results:
        if (found := result.clean[benchmark].get(task)) is not None:
            return found
    raise UserError(f"compare: {benchmark} {task}: no result says which items are clean; evaluate with training text")


def _aligned_mining(results: Sequence[ModelResult], benchmark: str, task: str, clean: bool) -> list[Items]:
    """Sentences of side a for which any model extracted something, or which have a gold pair; zero where one did not."""
    if clean:
        raise UserError(f"compare: {benchmark} {task}: mined pairs differ by model; only all items can be compared")
    tables = [result.items[benchmark][task].columns for result in results]
    rows = np.unique(np.concatenate([table["row"] for table in tables]))
    # Each model's counts on the rows of all; zero where it extracted nothing.
    joined = []
    for table, result in zip(tables, results, strict=True):
        place = np.searchsorted(rows, table["row"])
        columns: dict[str, NDArray[np.generic]] = {"row": rows}
        for name in ("extracted", "correct", "wanted"):
            counts = np.zeros(len(rows), dtype=np.int64)
            counts[place] = table[name]
            columns[name] = counts
        joined.append(Items("mining", columns, result.items[benchmark][task].units))
    gold = [int(items.columns["wanted"].sum()) for items in joined]
    if len(set(gold)) > 1:
        raise InputError(results[1].path, f"{benchmark} {task}: {gold[1]} gold pairs, {gold[0]} in {results[0].path}")
    return joined
