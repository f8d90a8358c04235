"""The student beside its peers on benchmarks: scores as stage evaluate wrote them, and what parts them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

STUDENT = "student"
SIGNIFICANT = 0.05
"""A difference whose sign turns more rarely in resamples is called one."""


@dataclass(frozen=True)
class Lead:
    """How far the student is ahead of a peer."""

    gain: float  # student less peer, a share
    low: float  # the lower end of its 95 % interval
    high: float  # the upper end
    p: float  # how likely chance alone is, two-sided, by the paired bootstrap

    @property
    def sign(self) -> int:
        """1: the student is better, -1: worse, 0: no more than chance."""
        return 0 if self.p >= SIGNIFICANT else (1 if self.gain > 0 else -1)


@dataclass(frozen=True)
class ModelScores:
    """The student and its peers."""

    scores: Mapping[str, Mapping[str, Any]]  # each model's ``<name>.json``, by model, the student first
    # by peer, benchmark and task (``mean`` for the mean over the tasks that both have)
    leads: Mapping[str, Mapping[str, Mapping[str, Lead]]]

    def only(self, benchmarks: Collection[str]) -> ModelScores | None:
        """The same of some benchmarks; None if the student was measured on none of them."""
        scores = {
            model: {**about, "benchmarks": {k: v for k, v in about["benchmarks"].items() if k in benchmarks}}
            for model, about in self.scores.items()
        }
        return ModelScores(scores, self.leads) if scores[STUDENT]["benchmarks"] else None

    @property
    def names(self) -> list[str]:
        """Of all models that were measured on anything."""
        return [name for name, about in self.scores.items() if name == STUDENT or about["benchmarks"]]

    @property
    def peers(self) -> list[str]:
        """All but the student."""
        return self.names[1:]

    @property
    def benchmarks(self) -> Mapping[str, Mapping[str, Any]]:
        """The student's, by name."""
        found: Mapping[str, Mapping[str, Any]] = self.scores[STUDENT]["benchmarks"]
        return found

    def of(self, model: str, benchmark: str) -> Mapping[str, Any]:
        """What a model reached on a benchmark; empty if it was not measured on it."""
        found: Mapping[str, Any] = self.scores[model]["benchmarks"].get(benchmark, {})
        return found
