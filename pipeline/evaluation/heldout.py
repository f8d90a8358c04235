"""The student on held-out documents: translation retrieval and mining, with bootstrap intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pipeline.artifacts.folders import VectorFolder
from pipeline.artifacts.pairs import HeldOutFolder
from pipeline.mining.judging.threshold import bootstrap, evaluate
from pipeline.search.translation_retrieval import Retrieval, retrieve

LEVEL = 0.95


def heldout_retrieval(heldout: HeldOutFolder, name: str, a: VectorFolder, b: VectorFolder) -> Retrieval | None:
    """Retrieval over all pairs of a held-out set, orphans included; None if it is empty. Holds its vectors in memory."""
    rows = heldout.rows(name)
    if len(rows) == 0:
        return None
    return retrieve(a.unit(a.rows_of(heldout.a[rows])), b.unit(b.rows_of(heldout.b[rows])))


def retrieval_metrics(found: Retrieval, resamples: int, seed: int) -> dict[str, Any]:
    """Accuracy of both directions, their mean, and its 95 % bootstrap interval over pairs."""
    right = (found.forward.astype(np.float64) + found.backward) / 2
    generator = np.random.default_rng(seed)
    means = [right[generator.integers(0, len(right), len(right))].mean() for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    scores = {"accuracy": found.accuracy, "forward": found.accuracy_forward, "backward": found.accuracy_backward}
    return {**_rounded(scores | {"low": float(low), "high": float(high)}), "candidates": len(right)}


def mining_metrics(path: Path, name: str, gold: int, threshold: float, resamples: int, seed: int) -> dict[str, Any]:
    """Precision, recall and F1 of a mined set at a frozen threshold, with F1's 95 % bootstrap interval.

    Args:
        path: the Parquet file of mined pairs.
        name: the set in it, such as ``test``.
        gold: how many gold pairs there are.
        threshold: the frozen threshold.
        resamples: how many resamples the bootstrap draws.
        seed: what the bootstrap's generator starts from.
    """
    table = pq.read_table(path, columns=["score", "gold"], filters=[("set", "=", name)])
    # Scores are stored in single precision; the threshold is compared with them as the pipeline's users would.
    scores = table.column("score").to_numpy().astype(np.float64)
    is_gold = table.column("gold").to_numpy(zero_copy_only=False).astype(np.bool_)
    quality = evaluate(scores, is_gold, gold, threshold)
    interval = bootstrap(scores, is_gold, gold, resamples, seed, threshold, LEVEL).f1
    scores = {"precision": quality.precision, "recall": quality.recall, "f1": quality.f1}
    return _rounded(scores | {"low": interval.low, "high": interval.high, "threshold": threshold})


def _rounded(scores: dict[str, float]) -> dict[str, Any]:
    return {name: round(value, 6) for name, value in scores.items()}
