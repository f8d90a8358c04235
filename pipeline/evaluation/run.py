"""Models on benchmarks: what stage evaluate and `softalign evaluate` share."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.evaluation.benchmark import Benchmark
from pipeline.evaluation.cleanliness import Seen, find_seen, mark
from pipeline.evaluation.embedded import MeasuredModel
from pipeline.evaluation.peers import restricted
from pipeline.evaluation.results import as_json, write_result
from pipeline.evaluation.scoring import BenchmarkScore, score_benchmark

log = logging.getLogger(__name__)

MANY_UNKNOWN = 0.1
"""The share of unknown tokens from which a language is warned about."""


@dataclass(frozen=True)
class Evaluation:
    """How models are measured."""

    benchmarks: tuple[Benchmark, ...]  # the benchmarks, read
    resamples: int = 1_000  # resamples that the bootstrap draws; 0: no intervals
    seed: int = 0  # what the bootstrap's generator starts from
    store: Path | None = None  # the vector store's folder, if vectors are kept
    seen: Seen | None = None  # what of the benchmarks stood in training text, if it was looked for

    def scores(self, model: MeasuredModel, languages: Sequence[str] = ()) -> list[BenchmarkScore]:
        """One model on every benchmark that has tasks in its languages.

        Raises:
            UserError: if the model gives vectors of a wrong shape, not finite, or all alike.
        """
        found = []
        for benchmark in self.benchmarks:
            part = restricted(benchmark, languages)
            if part is None:
                log.info("%s: left out of %s, which has nothing in its languages", model.name, benchmark.name)
                continue
            score = score_benchmark(part, model, model.name, self.store, self.resamples, self.seed)
            found.append(score if self.seen is None else mark(score, self.seen))
        _warn_of_unknown(found)
        return found

    def write(self, path: Path, model: MeasuredModel, scores: Sequence[BenchmarkScore]) -> dict[str, Any]:
        """Write a model's results as JSON and its items beside; returns the JSON's content."""
        about = as_json(scores, model.name, model.identity, self.resamples, self.seed)
        if self.seen is not None:
            about["training"] = {"sentences": self.seen.training, "near": self.seen.threshold}
        write_result(path, about, scores)
        return about


def seen_in(benchmarks: Sequence[Benchmark], training: Iterable[pl.Series], near: float) -> Seen:
    """What of the benchmarks' sentences stood in training text; see `find_seen`."""
    return find_seen((text for benchmark in benchmarks for text in benchmark.texts()), training, near)


def summary(scores: Sequence[BenchmarkScore]) -> dict[str, dict[str, Any]]:
    """Of each benchmark its main mean, the same over clean items, how much was seen, and its tasks: few, for metrics."""
    found: dict[str, dict[str, Any]] = {}
    for score in scores:
        entry: dict[str, Any] = {score.main: round(score.means[score.main], 6)}
        if score.clean_mean is not None:
            entry["clean"] = round(score.clean_mean, 6)
        seen = [task.seen for task in score.tasks if task.seen is not None]
        if seen:
            entry["seen"] = round(
                sum(one["seen"] + one["nearly_seen"] for one in seen) / max(sum(one["sentences"] for one in seen), 1), 6
            )
        if len(score.tasks) > 1:
            entry["tasks"] = {task.task.name: round(task.main, 6) for task in score.tasks}
        found[score.benchmark.name] = entry
    return found


def _warn_of_unknown(scores: Sequence[BenchmarkScore]) -> None:
    worst: dict[str, float] = {}
    for score in scores:
        for language, share in score.unknown.items():
            worst[language] = max(share, worst.get(language, 0.0))
    for language, share in sorted(worst.items()):
        if share >= MANY_UNKNOWN:
            name = scores[0].model
            log.warning("%s: its tokenizer does not know %.0f %% of the tokens in %s", name, 100 * share, language)
