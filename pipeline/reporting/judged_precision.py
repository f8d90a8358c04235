"""Precision against threshold by people's judgements, for the report: `report.judgements` beside the pairs mined now."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.mining.judging.answers import SampleDesign, read_judgements
from pipeline.mining.judging.people import JudgedFile, open_pairs, use_answers
from pipeline.mining.judging.precision import Curve

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JudgedPrecision:
    """What people's judgements say of one language pair's mining.

    Attributes:
        pair: the language pair's name.
        curve: precision against threshold.
        answered: pairs that were answered.
        asked: pairs that were asked about.
        judges: how many people answered.
    """

    pair: str
    curve: Curve
    answered: int
    asked: int
    judges: int


@dataclass(frozen=True)
class PeoplesJudgements:
    """All judgements that the report was given.

    Attributes:
        pairs: those of pairs that were mined now.
        stale: files whose answers are about other pairs, which say nothing of these.
    """

    pairs: Sequence[JudgedPrecision] = ()
    stale: Sequence[str] = ()


def read_judged(files: Sequence[Path], mined: Mapping[str, Path]) -> PeoplesJudgements:
    """The curve of each language pair whose pairs were judged.

    Args:
        files: answers as the judging page saved them.
        mined: the file of mined pairs of each language pair.

    Raises:
        InputError: if a file holds no answers, or judges contradict themselves.
    """
    by_sample: dict[SampleDesign, list[Path]] = {}
    for file in files:
        by_sample.setdefault(read_judgements(file).sample, []).append(file)
    found, stale = [], []
    for design, answers in by_sample.items():
        pair = _pair_of(design, mined)
        if pair is None:
            stale += [file.name for file in answers]
            log.warning(
                "report.judgements: %s judge other pairs than those mined now and are left out; make a new page",
                ", ".join(file.name for file in answers),
            )
        else:
            found.append(_judged(pair, use_answers(mined[pair], answers, partly="no")))
    return PeoplesJudgements(sorted(found, key=lambda one: list(mined).index(one.pair)), stale)


def _pair_of(design: SampleDesign, mined: Mapping[str, Path]) -> str | None:
    """The language pair whose mined pairs a sample was drawn from; None if they are no more."""
    for pair, path in mined.items():
        # The file's name only says where to look first: a copy judged under another name is found by its digest, too.
        if pair in design.pairs and open_pairs(path, design.set).digest == design.sha256:
            return pair
    for pair, path in mined.items():
        if pair not in design.pairs and open_pairs(path, design.set).digest == design.sha256:
            return pair
    return None


def _judged(pair: str, outcome: JudgedFile) -> JudgedPrecision:
    verdicts = outcome.verdicts
    return JudgedPrecision(pair, outcome.curve, len(verdicts.value), outcome.asked, len(verdicts.judges))
