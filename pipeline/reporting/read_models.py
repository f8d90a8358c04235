"""Read the student's and its peers' results on benchmarks, and compare them: paired bootstrap over sentences.

Apart from `models`, as it imports torch, which a report without benchmarks does not need.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.console.errors import ArtifactError, InputError
from pipeline.evaluation.comparing import ScoreDifference, compare
from pipeline.evaluation.results import ModelResult, read_result
from pipeline.reporting.models import STUDENT, Lead, ModelScores


def read_models(folder: Path, peers: Sequence[str]) -> ModelScores:
    """Read what stage evaluate wrote.

    Holds the items of two models in memory (about 100 bytes each), and resamples as `compare` does.

    Args:
        folder: the folder with ``<model>.json`` and ``<model>.items.parquet`` of each model.
        peers: the peers' names, in the order of the table.

    Raises:
        ArtifactError: if a file is missing or damaged, or two are about different sentences.
    """
    try:
        student = read_result(folder / f"{STUDENT}.json")
        scores, leads = {STUDENT: student.about}, {}
        for name in peers:
            peer = read_result(folder / f"{name}.json")
            scores[name] = peer.about
            leads[name] = _leads(student, peer)
    except InputError as error:
        raise ArtifactError(folder, f"run stage evaluate again: {error}") from None
    return ModelScores(scores, leads)


def _leads(student: ModelResult, peer: ModelResult) -> dict[str, dict[str, Lead]]:
    shared = any(task in peer.items.get(name, {}) for name, tasks in student.items.items() for task in tasks)
    resampling = student.about["bootstrap"]
    if not shared or not resampling["resamples"]:
        return {}
    found: dict[str, dict[str, Lead]] = {}
    for difference in compare([peer, student], resampling["resamples"], resampling["seed"]):
        found.setdefault(difference.benchmark, {})[difference.task] = _lead(difference)
    for tasks in found.values():
        if "mean" not in tasks:  # one task is its own mean
            tasks["mean"] = next(iter(tasks.values()))
    return found


def _lead(difference: ScoreDifference) -> Lead:
    (low, high), before, after = difference.intervals[0], *difference.values
    return Lead(after - before, low, high, difference.p[0])
