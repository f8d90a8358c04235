"""Measure the student on the held-out test documents, and with its peers on the benchmarks of params.yaml."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from pipeline.artifacts.folders import VectorFolder
from pipeline.artifacts.pairs import HeldOutFolder
from pipeline.artifacts.parquet import read_made_by
from pipeline.config.base import plugins
from pipeline.evaluation.heldout import heldout_retrieval, mining_metrics, retrieval_metrics
from pipeline.ground.atomic import atomic_folder
from stages.running.command import Project, stage_main, write_metrics
from stages.running.declared import check_declared
from stages.running.named_inputs import named_inputs

log = logging.getLogger(__name__)


def run(project: Project) -> None:
    """Run the stage in a project."""
    check_declared(project, lambda: named_inputs(project, "evaluate"))
    params, layout = project.params, project.layout
    retrieval: dict[str, Any] = {}
    mining: dict[str, Any] = {}
    vectors = {language: VectorFolder(layout.embeddings / language) for language in params.used_languages}
    for pair in params.language_pairs:
        heldout = HeldOutFolder(layout.heldout / pair.name)
        found = heldout_retrieval(heldout, "test", vectors[pair.a], vectors[pair.b])
        if found is None:
            continue
        retrieval[pair.name] = retrieval_metrics(found, params.evaluate.bootstrap, params.seed)
        path = layout.mined / f"{pair.name}.parquet"
        threshold = read_made_by(path, {"kind": "mined", "pair": pair.name})["threshold"]
        rows = heldout.rows("test")
        gold = int(np.count_nonzero(heldout.in_a[rows] & heldout.in_b[rows]))
        if threshold is not None and gold:
            mining[pair.name] = mining_metrics(path, "test", gold, threshold, params.evaluate.bootstrap, params.seed)
    metrics: dict[str, Any] = {"retrieval": {"pairs": retrieval}, "mining": {"pairs": mining}}
    if retrieval:
        metrics["retrieval"]["mean"] = round(float(np.mean([value["accuracy"] for value in retrieval.values()])), 6)
    if mining:
        metrics["mining"]["mean_f1"] = round(float(np.mean([value["f1"] for value in mining.values()])), 6)
    benchmarks: dict[str, Any] = {}
    with atomic_folder(layout.evaluation) as folder:
        if params.evaluate.benchmarks:
            from stages.inputs.benchmarks import run_benchmarks  # imports torch, which held-out documents do not need

            benchmarks = run_benchmarks(project, folder)
    if not retrieval and not benchmarks:
        log.warning(
            "evaluate: nothing is measured: no pair is held out for the test, and evaluate.benchmarks names none"
        )
    write_metrics(layout.metrics / "heldout.json", metrics)
    if brought := plugins(*params.evaluate.benchmarks):
        benchmarks["plugins"] = brought
    write_metrics(layout.metrics / "evaluate.json", _main(metrics) | benchmarks)


def _main(metrics: dict[str, Any]) -> dict[str, Any]:
    """The one number of each language pair: what `dvc metrics` shows should fit a screen."""
    kept = {"retrieval": "accuracy", "mining": "f1"}
    return {
        kind: values | {"pairs": {pair: {kept[kind]: scores[kept[kind]]} for pair, scores in values["pairs"].items()}}
        for kind, values in metrics.items()
    }


if __name__ == "__main__":
    stage_main("evaluate", run)
