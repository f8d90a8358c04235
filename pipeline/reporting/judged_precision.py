"""Precision against threshold by people's judgements, for the report: `report.judgements` beside the pairs mined now."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.mining.judging.answers import Judgements, SampleDesign, read_judgements
from pipeline.mining.judging.people import PairFile, open_pairs, use_answers
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
    by_sample: dict[SampleDesign, dict[Path, Judgements]] = {}
    for file in files:
        judgements = read_judgements(file)
        by_sample.setdefault(judgements.sample, {})[file] = judgements
    found, stale = [], []
    for design, answers in by_sample.items():
        judged = _judged_pairs(design, mined)
        if judged is None:
            stale += [file.name for file in answers]
            log.warning(
                "report.judgements: %s judge other pairs than those mined now and are left out; make a new page",
                ", ".join(file.name for file in answers),
            )
        else:
            pair, opened = judged
            outcome = use_answers(opened, answers, partly="no")
            verdicts = outcome.verdicts
            found.append(JudgedPrecision(pair, outcome.curve, len(verdicts.value), outcome.asked, len(verdicts.judges)))
    return PeoplesJudgements(sorted(found, key=lambda one: list(mined).index(one.pair)), stale)


def _judged_pairs(design: SampleDesign, mined: Mapping[str, Path]) -> tuple[str, PairFile] | None:
    """The language pair whose mined pairs a sample was drawn from, and these; None if they are no more."""
    # The file's name only says where to look first: a copy judged under another name is found by its digest, too.
    for pair in sorted(mined, key=lambda name: name not in design.pairs):
        if pq.read_metadata(mined[pair]).num_rows == 0:
            continue  # nothing was mined: nothing that anybody judged
        opened = open_pairs(mined[pair], design.set)
        if opened.digest == design.sha256:
            return pair, opened
    return None
