"""Scores of one model on one benchmark."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.mine import Mine
from pipeline.console.errors import UserError
from pipeline.console.progress import progress
from pipeline.encoders.base import Encoder
from pipeline.evaluation.benchmark import Benchmark, Bitext, Mining, Similarity, Task, TopOne
from pipeline.evaluation.embedded import Embedded, Encode, MeasuredModel, as_model, embed_texts, unknown_shares
from pipeline.evaluation.mined import mining_items
from pipeline.evaluation.statistics import Items, bootstrap
from pipeline.evaluation.xsim import nearest_by_margin
from pipeline.ground.arrays import Floats
from pipeline.search.translation_retrieval import nearest

LEVEL = 0.95
FEWEST = 3
"""Clean items that a score is reported of."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class TaskScore:
    """What a model reached on one task."""

    task: Task  # the task
    items: Items  # what the scores were computed from
    values: dict[str, float]  # scores by statistic
    # of some statistics, the 95 % bootstrap interval
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    # whatever else is worth knowing (a threshold, sentences without a vector)
    more: dict[str, float] = field(default_factory=dict)
    clean: Flags | None = None  # items none of whose sentences stood in training text [n]; None: not looked for
    # how many different sentences the items have, and how many of them stood in training text exactly, and only nearly;
    # None: not looked for
    seen: dict[str, int] | None = None

    def item_texts(self) -> tuple[list[str], list[str]]:
        """Both texts of every item [n]; of mining, a sentence and its gold translation (empty if it has none)."""
        rows = self.items.columns.get("row")
        return self.task.items(np.arange(len(self.items)) if rows is None else np.asarray(rows, dtype=np.int64))

    @property
    def main(self) -> float:
        """The value that stands for the task."""
        return self.values[self.items.main]

    @property
    def clean_values(self) -> dict[str, float] | None:
        """The same over clean items only, candidates unchanged; None if there are too few to say anything."""
        if self.clean is None or int(self.clean.sum()) < FEWEST:
            return None
        found = self.items.values(self.clean.astype(np.float64)[None, :])
        return {name: float(value[0]) for name, value in found.items()}


@dataclass(frozen=True)
class BenchmarkScore:
    """What a model reached on a benchmark."""

    benchmark: Benchmark  # name and kind
    model: str  # the model's name
    tasks: tuple[TaskScore, ...]  # scores of its tasks, in the benchmark's order
    mean_intervals: dict[str, tuple[float, float]]  # 95 % intervals of the means over tasks, by statistic
    unknown: dict[str, float]  # the share of tokens that the tokenizer does not know, by language

    @property
    def means(self) -> dict[str, float]:
        """The mean over tasks of every statistic that all have."""
        return {name: float(np.mean([task.values[name] for task in self.tasks])) for name in self.tasks[0].values}

    @property
    def clean_mean(self) -> float | None:
        """The mean of the main statistic over clean items; None if any task has too few, or nothing was looked for."""
        found = [task.clean_values for task in self.tasks]
        values = [of[self.main] for of in found if of is not None]
        return float(np.mean(values)) if len(values) == len(self.tasks) else None

    @property
    def main(self) -> str:
        """The statistic that stands for the benchmark."""
        return self.tasks[0].items.main


def score_benchmark(
    benchmark: Benchmark,
    encode: Encoder | Encode | MeasuredModel,
    name: str = "model",
    store: Path | None = None,
    resamples: int = 1_000,
    seed: int = 0,
) -> BenchmarkScore:
    """Score an encoder, or any function from sentences to vectors, on a benchmark.

    Holds the benchmark's sentences and their vectors in memory, and blocks of similarities.

    Args:
        benchmark: what `read_benchmark` gave.
        encode: an `Encoder`, a function ``list[str] -> [n, d]`` (not necessarily normalised), or a `MeasuredModel`.
        name: what results call it.
        store: the vector store's folder: sentences that it has are not embedded again. Only for encoders, which say what
            their vectors depend on.
        resamples: how many resamples the bootstrap draws; 0: no intervals.
        seed: what the bootstrap's generator starts from.

    Raises:
        UserError: if the model gives vectors of a wrong shape, not finite, or all alike.
    """
    model = as_model(name, encode)
    # Each different sentence is embedded once, whatever tasks it stands in.
    texts = benchmark.texts()
    with progress(f"{benchmark.name}: embed with {model.name}", len(texts), "sentences") as advance:
        embedded = embed_texts(model, texts, store, advance)
    # What the model did on each task, item by item; all scores and their intervals come from these.
    found = {task.name: _run(task, embedded, model.name) for task in benchmark.tasks}
    samples = bootstrap({name: items for name, (items, _) in found.items()}, resamples, seed) if resamples else {}
    scores = []
    for task in benchmark.tasks:
        items, more = found[task.name]
        values = {statistic: float(value[0]) for statistic, value in items.values().items()}
        if not np.isfinite(list(values.values())).all():
            raise UserError(f"{model.name}: {benchmark.name} {task.name}: all cosines are equal; nothing correlates")
        intervals = {statistic: interval(of) for statistic, of in samples.get(task.name, {}).items()}
        scores.append(TaskScore(task, items, values, intervals, more))
    # Means over tasks, with intervals of the resamples that the tasks were drawn with together.
    shared = set.intersection(*(set(of) for of in samples.values())) if samples else set()
    means = {one: interval(np.mean([of[one] for of in samples.values()], axis=0)) for one in sorted(shared)}
    unknown = unknown_shares(model, benchmark.by_language())
    return BenchmarkScore(benchmark, model.name, tuple(scores), means, unknown)


def interval(samples: Floats) -> tuple[float, float]:
    """The percentile interval of a bootstrap's samples; those that are not defined are left out."""
    low, high = np.nanquantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _run(task: Task, embedded: Embedded, model: str) -> tuple[Items, dict[str, float]]:
    match task:
        case Bitext():
            return _retrieve(task, embedded)
        case TopOne():
            return _top_one(task, embedded)
        case Similarity():
            first, second = embedded.unit(task.first), embedded.unit(task.second)
            cosine = np.einsum("nd,nd->n", first.astype(np.float64), second.astype(np.float64))
            items = Items("similarity", {"cosine": cosine, "gold": task.gold}, task.units)
            return items, _without(first, second)
        case Mining():
            return mining_items(task, embedded, Mine(), model)
    raise TypeError(f"a task of type {type(task).__name__}")


def _retrieve(task: Bitext, embedded: Embedded) -> tuple[Items, dict[str, float]]:
    x, y = embedded.unit(task.texts_a), embedded.unit(task.texts_b)
    found, found_back = nearest(x, y)
    rows = np.arange(len(x))
    columns: dict[str, Any] = {"target": rows, "found": found, "found_back": found_back}
    if task.xsim:
        columns["margin"], columns["margin_back"] = nearest_by_margin(x, y)
    return Items("retrieval", columns, task.units), _without(x, y)


def _top_one(task: TopOne, embedded: Embedded) -> tuple[Items, dict[str, float]]:
    x, y = embedded.unit(task.queries), embedded.unit(task.candidates)
    found, _ = nearest(x, y)
    return Items("top-one", {"target": task.target, "found": found}, task.units), _without(x, y)


def _without(x: NDArray[np.float32], y: NDArray[np.float32]) -> dict[str, float]:
    count = int((~x.any(axis=1)).sum() + (~y.any(axis=1)).sum())
    return {"without_vector": count} if count else {}
