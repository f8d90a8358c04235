"""What is known of how a model was made: its project's parameters and metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config.params import Params
from pipeline.console.errors import ArtifactError
from pipeline.reporting.current import current_evaluation, current_prepare

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
        params: checked.
        metrics: the folder with one JSON file a stage.

    Raises:
        ArtifactError: if one is damaged.
    """
    found = {}
    for stage in METRICS:
        path = metrics / f"{stage}.json"
        if not path.is_file():
            continue
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ArtifactError(path, f"not JSON ({error})") from None
        if not isinstance(content, dict):
            raise ArtifactError(path, f"found {type(content).__name__}, expected an object of metrics")
        found[stage] = content
    if "heldout" in found:  # evaluate has their main numbers only
        found["evaluate"] = {**found.get("evaluate", {}), **found.pop("heldout")}
    if "evaluate" in found:
        found["evaluate"] = current_evaluation(found["evaluate"], params)
    if "prepare" in found:
        found["prepare"] = current_prepare(found["prepare"], params)
    return KnownOrigin(params, found)
