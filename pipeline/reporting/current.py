"""Metrics of what params.yaml names now: a stage that hasn't run since may have written of more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pipeline.config.params import Params

MEANS = {"retrieval": ("mean", "accuracy"), "mining": ("mean_f1", "f1")}
"""The mean that stands beside the language pairs, and of which of their scores it is."""


def current_evaluation(metrics: Mapping[str, Any], params: Params) -> dict[str, Any]:
    """Metrics of stage evaluate without the pairs, benchmarks and peers that are no more; means are of those that are."""
    found = dict(metrics)
    for kind, (mean, score) in MEANS.items():
        if kind in found:
            pairs = named(found[kind].get("pairs", {}), params.pairs)
            found[kind] = {**found[kind], "pairs": pairs}
            if len(pairs) < len(metrics[kind].get("pairs", {})):
                found[kind].pop(mean, None)
                if pairs:
                    found[kind][mean] = round(sum(value[score] for value in pairs.values()) / len(pairs), 6)
    benchmarks = [benchmark.name for benchmark in params.evaluate.benchmarks]
    if "benchmarks" in found:
        found["benchmarks"] = named(found["benchmarks"], benchmarks)
    if "peers" in found:
        peers = named(found["peers"], [peer.name for peer in params.evaluate.peers])
        found["peers"] = {name: named(scores, benchmarks) for name, scores in peers.items()}
    return found


def current_prepare(metrics: Mapping[str, Any], params: Params) -> dict[str, Any]:
    """Metrics of stage prepare without the corpora, pairs, languages and benchmarks that are no more."""
    prepare, found = params.prepare, dict(metrics)
    text = [one.language for one in prepare.text]
    wanted: dict[str, Collection[str]] = {
        "corpora": [*(one.name for one in prepare.corpora), *(one.name for one in prepare.text)],
        "benchmarks": [one.name for one in prepare.decontaminate.benchmarks],
        "pairs": params.pairs,
        "sentences": params.used_languages,
        "monolingual": [*params.used_languages, *text],
    }
    for key, names in wanted.items():
        if key in found:
            found[key] = named(found[key], names)
    if near := found.get("heldout_near"):
        counts = {key: named(near[key], params.pairs) for key in ("candidates", "left_out")}
        found["heldout_near"] = {**near, **counts}
    return found


def named(values: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The values under some names, in their own order."""
    return {name: value for name, value in values.items() if name in names}
