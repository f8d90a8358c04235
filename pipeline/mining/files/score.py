"""Scores of a bitext that a user has: every line's pair against the neighbourhoods of both whole texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.mine import Mine
from pipeline.console.errors import InputError, UserError
from pipeline.encoders.load import ModelEncoder
from pipeline.ground.arrays import Rows
from pipeline.mining.aligned import score_aligned
from pipeline.mining.files.known import Known, embed_known, known_estimate
from pipeline.mining.files.mine import Inputs, Result, embed_files, identity_of_run, judged_by, search_units
from pipeline.mining.files.outputs import Outputs
from pipeline.mining.files.text import LANGUAGE_INSIDE
from pipeline.mining.files.units import units_of
from pipeline.mining.judging.control import shifted_control
from pipeline.mining.judging.histogram import histogram
from pipeline.mining.retrieval import Candidates
from pipeline.search.neighbors import Neighbors
from pipeline.search.vectors import VectorSource


def score_files(
    inputs: Inputs,
    encoder: ModelEncoder,
    options: Mine,
    outputs: Outputs,
    work: Path,
    vectors: Path | None = None,
    min_score: float | None = None,
    known: Inputs | None = None,
) -> Result:
    """Score pairs that are given line by line against the neighbourhoods of both whole texts, and keep their order.

    A line of which a side is empty or can't be read has the score NaN: it is written, so that lines stay aligned, unless
    there is a ``min_score``.

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
        UserError: for texts of unequal length, and anything wrong with texts, model or outputs.
    """
    outputs.check(*inputs)
    for side in inputs:
        if side.kind in LANGUAGE_INSIDE:
            raise UserError(f"{side.option}: {side.path} is {side.kind}; expected a format in which rows are aligned")
    a, b = embed_files(inputs, encoder, work, vectors)
    if len(a.text) != len(b.text):
        raise InputError(
            f"{a.text.source.path} and {b.text.source.path}",
            f"{len(a.text):,} and {len(b.text):,} lines; expected equally many, aligned line by line",
        )
    planted: Known | None = None if known is None else embed_known(known, encoder, a, b, work)
    search = search_units(units_of(a), units_of(b), options, f"score {a.text.language}-{b.text.language}", vectors)
    pairs = given_pairs(a.vectors, b.vectors, search.neighbors, a.vector_of, b.vector_of, options)
    estimate = None if planted is None else known_estimate(planted, a, b, search.neighbors, options)
    there = (a.vector_of >= 0) & (b.vector_of >= 0)
    lines = a.vector_of[there], b.vector_of[there]
    control = shifted_control(a.vectors, b.vectors, *lines, search.neighbors, options)
    spread = histogram(pairs.score)
    wanted = pairs if min_score is None else pairs.above(min_score)
    made_by = identity_of_run("scored", encoder, options, min_score, search.about)
    files = outputs.write(wanted, a, b, made_by | judged_by(estimate, control, min_score, spread))
    left_out = 0 if planted is None else planted.left_out
    found, written = len(pairs), len(wanted)
    return Result(a, b, found, written, min_score, search.about, None, estimate, left_out, control, spread, files)


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
