"""What mining or scoring a user's own text gave: what there is to judge a threshold by, and what was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.mine import Mine
from pipeline.encoders.load import ModelEncoder
from pipeline.mining.files.gold import GoldResult
from pipeline.mining.files.lines import Lines
from pipeline.mining.files.vectors import EmbeddedText
from pipeline.mining.judging.control import Control
from pipeline.mining.judging.histogram import Histogram
from pipeline.mining.judging.planted import Estimate
from pipeline.mining.sides import LeftOut


@dataclass(frozen=True, kw_only=True)
class PairJudgement:
    """What there is to judge pairs and their threshold by.

    Attributes:
        threshold: the least score of a pair that is written; None: all are.
        spread: how the scores of all pairs are spread.
        left_out: what the rules left out.
        control: what a control accepts, where one was possible.
        gold: what was reached against gold pairs, if there were any.
        estimate: the threshold that known pairs give, if there were any.
        known_left_out: known pairs that could not be used.
    """

    threshold: float | None
    spread: Histogram
    left_out: LeftOut
    control: Control | None
    gold: GoldResult | None = None
    estimate: Estimate | None = None
    known_left_out: int = 0

    def as_metrics(self) -> dict[str, Any]:
        """For the metadata of what is written."""
        found: dict[str, Any] = {"histogram": self.spread.as_metrics(), "left_out": self.left_out.as_metrics()}
        if self.estimate is not None:
            found["known"] = self.estimate.as_metrics()
        if self.control is not None:
            found["control"] = self.control.as_metrics(self.threshold)
        return found


@dataclass(frozen=True, kw_only=True)
class MiningResult(PairJudgement):
    """What was done.

    Attributes:
        a: the first side.
        b: the second side.
        search: how neighbours were found, and what an approximate search cost.
        found: pairs before the threshold.
        written: pairs that were written.
        files: the files that were written.
        lines: what the texts of given lines say by themselves; None where pairs were mined.
    """

    a: EmbeddedText
    b: EmbeddedText
    search: dict[str, Any]
    found: int
    written: int
    files: list[Path]
    lines: Lines | None = None


def made_by(
    kind: str, encoder: ModelEncoder, options: Mine, search: dict[str, Any], judged: PairJudgement
) -> dict[str, Any]:
    """What made the pairs, and what there is to judge them by, for the metadata of their file: no times, no paths.

    Args:
        kind: ``mined`` or ``scored``.
        encoder: the model.
        options: the options of the run.
        search: how neighbours were found.
        judged: what the pairs are judged by.
    """
    run = {
        "kind": kind,
        "encoder": encoder.identity,
        "options": options.model_dump(mode="json", exclude={"memory_bytes", "index_bytes", "threshold"}),
        "threshold": judged.threshold,
        "search": search,
    }
    return run | judged.as_metrics()
