"""Scores of a bitext that a user has: every line's pair against the neighbourhoods of both whole texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.mine import Mine
from pipeline.console.errors import InputError
from pipeline.encoders.load import ModelEncoder
from pipeline.ground.arrays import Rows
from pipeline.mining.aligned import score_aligned
from pipeline.mining.files.known import embed_known, known_estimate
from pipeline.mining.files.lines import Lines, lines_of
from pipeline.mining.files.mine import Inputs, embed_files, mining_run, rules_of
from pipeline.mining.files.outputs import PairOutputs
from pipeline.mining.files.result import MiningResult, PairJudgement, made_by
from pipeline.mining.files.units import units_of
from pipeline.mining.judging.control import Control, shifted_control
from pipeline.mining.judging.histogram import histogram
from pipeline.mining.pair_rules import counted
from pipeline.mining.retrieval import Candidates
from pipeline.mining.sides import SearchedSides, search_sides


def score_files(
    inputs: Inputs,
    encoder: ModelEncoder,
    options: Mine,
    outputs: PairOutputs,
    work: Path,
    vectors: Path | None = None,
    min_score: float | None = None,
    known: Inputs | None = None,
) -> MiningResult:
    """Score pairs that are given line by line against the neighbourhoods of both whole texts, and keep their order.

    A line of which a side is empty or can't be read, or that breaks a rule, has the score NaN: it is written, so that lines
    stay aligned, unless there is a ``min_score``.

    Args:
        inputs: the two sides, aligned by row.
        encoder: the model.
        options: ``k``, ``score`` and how neighbours are searched.
        outputs: where the pairs go.
        work: a folder for temporary files.
        vectors: the folder in which vectors and indexes are kept to be used again; None: they are thrown away.
        min_score: the least score of a pair that is written; None: all are.
        known: known pairs, for an estimate of the threshold, which is not applied.

    Raises:
        UserError: for texts of unequal length, lines of which none can be scored, and anything wrong with texts, model or
            outputs.
    """
    outputs.check(*inputs)
    # 1. Read and embed both sides, line by line the same; a line that breaks a rule is not scored.
    rules = rules_of(inputs, options)
    a, b = embed_files(inputs, encoder, work, vectors, rules.clean, aligned=True)
    lines = lines_of(a.text, b.text, rules)
    there = (a.vector_of >= 0) & (b.vector_of >= 0) & lines.rule.is_null().to_numpy()
    if not there.any():
        raise _nothing_to_score(inputs, lines)
    planted = None if known is None else embed_known(known, encoder, (a, b), work, rules)
    # 2. Find the neighbours of the different sentences, and score each line against them.
    run = mining_run(options, rules, vectors, f"score {a.text.language}-{b.text.language}")
    searched = search_sides(units_of(a).side, units_of(b).side, run)
    pairs = given_pairs(searched, a.vector_of, b.vector_of)
    pairs = replace(pairs, score=np.where(there, pairs.score, np.nan))
    # 3. Judge.
    judged = PairJudgement(
        threshold=min_score,
        spread=histogram(pairs.score),
        left_out=searched.left_out(counted(lines.rule.filter(lines.rule != "empty"))),
        control=_control(searched, a.vector_of[there], b.vector_of[there]),
        estimate=None if planted is None else known_estimate(planted, searched),
        known_left_out=0 if planted is None else planted.left_out,
    )
    # 4. Write, in the order of the lines.
    wanted = pairs if min_score is None else pairs.above(min_score)
    about = searched.search.about
    identity = made_by("scored", encoder, options, about, judged)
    files = outputs.write(wanted, a, b, identity, {"rule": lines.rule})
    return MiningResult(
        **vars(judged), a=a, b=b, search=about, found=len(pairs), written=len(wanted), files=files, lines=lines
    )


def _control(found: SearchedSides, row_a: Rows, row_b: Rows) -> Control | None:
    """Lines shifted against each other; what then breaks a rule counts as not accepted."""
    rules, x, y = found.rules, found.a.vectors, found.b.vectors
    broken = None if rules is None else lambda one, other: rules.of_pairs(one, other).is_not_null().to_numpy()
    return shifted_control(x, y, row_a, row_b, found.search.neighbors, found.run.options, broken=broken)


def _nothing_to_score(inputs: Inputs, lines: Lines) -> InputError:
    why = ", ".join(f"{count:,} {name}" for name, count in counted(lines.rule).items())
    return InputError(
        f"{inputs[0].path} and {inputs[1].path}",
        f"no line can be scored ({why or 'none has text on both sides'}); --keep spares text a rule",
    )


def given_pairs(found: SearchedSides, vector_a: Rows, vector_b: Rows) -> Candidates:
    """The scores of given pairs, neighbours or not, in their order; see `score_aligned`.

    Args:
        found: the sides and their neighbours.
        vector_a: the row of side a of each pair [p]; -1: none.
        vector_b: the row of side b of each pair [p]; -1: none.

    Returns:
        The pairs [p], numbered: ``row_a`` and ``row_b`` are 0 … p - 1. Where a side has no vector all scores are NaN.
    """
    there = (vector_a >= 0) & (vector_b >= 0)
    x, y, score = found.a.vectors, found.b.vectors, found.run.options.score
    some = score_aligned(x, y, vector_a[there], vector_b[there], found.search.neighbors, score)
    rows = np.arange(len(vector_a), dtype=np.int64)
    columns: dict[str, NDArray[Any]] = {"row_a": rows, "row_b": rows}
    for name in ("score", "cosine", "mean_a", "mean_b", "rank_a_to_b", "rank_b_to_a"):
        values: NDArray[Any] = getattr(some, name)
        columns[name] = np.full(len(rows), 0 if values.dtype.kind == "i" else np.nan, values.dtype)
        columns[name][there] = values
    return Candidates(**columns)
