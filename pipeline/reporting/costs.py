"""What a run cost: time and memory by stage. Unlike all else in the report it differs from run to run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.console.errors import ArtifactError

STAGES = ("prepare", "tokenize", "teach", "neighborhoods", "train", "embed", "mine", "evaluate")


@dataclass(frozen=True)
class RunCost:
    """One stage's last run."""

    stage: str  # its name; mine has one for each language pair
    seconds: float  # by the clock
    megabytes: float  # at the peak, resident


def read_costs(folder: Path) -> list[RunCost]:
    """What stages noted, in their order; the report's own is left out, as it would be of the run before.

    Raises:
        ArtifactError: if a note is damaged.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        if _place(path.stem) is None:
            continue
        try:
            noted = json.loads(path.read_text(encoding="utf-8"))
            found.append(RunCost(path.stem, float(noted["seconds"]), float(noted["peak_megabytes"])))
        except (ValueError, TypeError, KeyError):
            raise ArtifactError(path, "not a stage's cost; expected seconds and peak_megabytes") from None
    return sorted(found, key=lambda cost: (_place(cost.stage), cost.stage))


def cost_rows(costs: Sequence[RunCost]) -> list[tuple[str, str, str, float]]:
    """Stage, seconds, megabytes, and its time beside the longest (0-1)."""
    longest = max((cost.seconds for cost in costs), default=0.0) or 1.0
    return [(c.stage, f"{c.seconds:,.1f}", f"{c.megabytes:,.0f}", c.seconds / longest) for c in costs]


def _place(name: str) -> int | None:
    return next((place for place, stage in enumerate(STAGES) if name == stage or name.startswith(f"{stage}-")), None)
