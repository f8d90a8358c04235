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
from pipeline.mining.files.known import KnownPairs, embed_known, known_estimate
from pipeline.mining.files.lines import Lines, lines_of
from pipeline.mining.files.mine import (
    Inputs,
    LeftOut,
    MiningResult,
    embed_files,
    identity_of_run,
    judged_by,
    rules_between,
    rules_of,
    search_units,
)
from pipeline.mining.files.outputs import PairOutputs
from pipeline.mining.files.units import units_of
from pipeline.mining.judging.control import shifted_control
from pipeline.mining.judging.histogram import histogram
from pipeline.mining.pair_rules import counted
from pipeline.mining.retrieval import Candidates
from pipeline.search.neighbors import Neighbors
from pipeline.search.vectors import VectorSource


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
        outputs: where to.
        work: a folder for temporary files.
        vectors: where vectors and indexes are kept to be used again, if they are.
        min_score: only pairs of at least this score are written.
        known: known pairs, for an estimate of the threshold, which is not applied.

    Raises:
        UserError: for texts of unequal length, lines of which none can be scored, and anything wrong with texts, model or
            outputs.
    """
    outputs.check(*inputs)
    of_pair = rules_of(inputs, options)
    a, b = embed_files(inputs, encoder, work, vectors, of_pair.clean, aligned=True)
    lines = lines_of(a.text, b.text, of_pair)
    there = (a.vector_of >= 0) & (b.vector_of >= 0) & lines.rule.is_null().to_numpy()
    if not there.any():
        raise _nothing_to_score(inputs, lines)
    planted: KnownPairs | None = None if known is None else embed_known(known, encoder, a, b, work, of_pair)
    units = units_of(a), units_of(b)
    rules = rules_between(*units, (a, b), of_pair)
    label = f"score {a.text.language}-{b.text.language}"
    search = search_units(*units, options, label, vectors, copies=rules.copies)
    pairs = given_pairs(a.vectors, b.vectors, search.neighbors, a.vector_of, b.vector_of, options)
    pairs = replace(pairs, score=np.where(there, pairs.score, np.nan))
    estimate = None if planted is None else known_estimate(planted, a, b, search.neighbors, options, of_pair)
    scored = a.vector_of[there], b.vector_of[there]
    broken = lambda one, other: rules.of_pairs(one, other).is_not_null().to_numpy()  # noqa: E731
    control = shifted_control(a.vectors, b.vectors, *scored, search.neighbors, options, broken=broken)
    left_out = LeftOut.of(rules, counted(lines.rule.filter(lines.rule != "empty")))
    spread = histogram(pairs.score)
    wanted = pairs if min_score is None else pairs.above(min_score)
    made_by = identity_of_run("scored", encoder, options, min_score, search.about)
    judged = judged_by(estimate, control, min_score, spread, left_out)
    files = outputs.write(wanted, a, b, made_by | judged, {"rule": lines.rule})
    not_planted, found, written = 0 if planted is None else planted.left_out, len(pairs), len(wanted)
    return MiningResult(
        *(a, b, found, written, min_score, search.about, None, estimate, not_planted, control, spread, files),
        left_out=left_out,
        lines=lines,
    )


def _nothing_to_score(inputs: Inputs, lines: Lines) -> InputError:
    why = ", ".join(f"{count:,} {name}" for name, count in counted(lines.rule).items())
    return InputError(
        f"{inputs[0].path} and {inputs[1].path}",
        f"no line can be scored ({why or 'none has text on both sides'}); --keep spares text a rule",
    )


def given_pairs(
    x: VectorSource, y: VectorSource, neighbors: Neighbors, vector_a: Rows, vector_b: Rows, options: Mine
) -> Candidates:
    """The scores of given pairs, neighbours or not, in their order; see `score_aligned`.

    Args:
        x: side a's vectors [n, d].
        y: side b's vectors [m, d].
        neighbors: of both.
        vector_a: of each pair, the row of x [p]; -1: none.
        vector_b: the row of y [p]; -1: none.
        options: ``score``.

    Returns:
        The pairs [p], numbered: ``row_a`` and ``row_b`` are 0 … p - 1. Where a side has no vector all scores are NaN.
    """
    there = (vector_a >= 0) & (vector_b >= 0)
    found = score_aligned(x, y, vector_a[there], vector_b[there], neighbors, options.score)
    rows = np.arange(len(vector_a), dtype=np.int64)
    columns: dict[str, Any] = {"row_a": rows, "row_b": rows}
    for name in ("score", "cosine", "mean_a", "mean_b", "rank_a_to_b", "rank_b_to_a"):
        some: NDArray[Any] = getattr(found, name)
        whole = np.zeros(len(rows), some.dtype) if some.dtype.kind == "i" else np.full(len(rows), np.nan, some.dtype)
        whole[there] = some
        columns[name] = whole
    return Candidates(**columns)
