"""What is known of how a model was made: its project's parameters and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config.params import Params
from pipeline.reporting.current import current_evaluation, current_prepare
from pipeline.reporting.inputs import read_metrics

METRICS = ("prepare", "tokenize", "train", "evaluate", "heldout")


@dataclass(frozen=True)
class KnownOrigin:
    """A project's facts for a model card."""

    params: Params  # its parameters
    # by stage, what `METRICS` names; a stage without metrics has none
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, stage: str) -> Mapping[str, Any]:
        """The metrics of a stage; empty where it has none."""
        return self.metrics.get(stage, {})


def read_known(params: Params, metrics: Path) -> KnownOrigin:
    """Read a project's metrics, those that are there.

    Args:
        params: the project's parameters.
        metrics: the folder with one JSON file a stage.

    Raises:
        ArtifactError: if one is damaged.
    """
    paths = {stage: metrics / f"{stage}.json" for stage in METRICS}
    found = {stage: read_metrics(path) for stage, path in paths.items() if path.is_file()}
    if "heldout" in found:  # evaluate has their main numbers only
        found["evaluate"] = {**found.get("evaluate", {}), **found.pop("heldout")}
    if "evaluate" in found:
        found["evaluate"] = current_evaluation(found["evaluate"], params)
    if "prepare" in found:
        found["prepare"] = current_prepare(found["prepare"], params)
    return KnownOrigin(params, found)
