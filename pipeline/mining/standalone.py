"""Mining and scoring from files to files, with any model and without a pipeline.

`mine_files` finds translations among two files' sentences; `score_files` scores pairs that are given, line by line. Texts
and vectors lie in memory-mapped files of a work folder; memory is that of `pipeline.mining.mine` and about 200 bytes a row
while duplicates are looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Mine
from pipeline.encoders.load import ModelEncoder
from pipeline.errors import InputError, UserError
from pipeline.mining.aligned import score_aligned
from pipeline.mining.bucc import check_offset, gold_flags, read_gold, write_pairs
from pipeline.mining.mine import Search, find_neighbors, mine_neighbors
from pipeline.mining.neighbors import Neighbors
from pipeline.mining.outputs import Side, write_moses, write_parquet, write_tmx, write_tsv
from pipeline.mining.own_text import LANGUAGE_INSIDE, UNKNOWN, TextInput, read_text
from pipeline.mining.own_vectors import EmbeddedText, embed_text
from pipeline.mining.quality import cost, exact_sample
from pipeline.mining.retrieval import Candidates, Rows
from pipeline.mining.threshold import Intervals, Quality, bootstrap, evaluate, tune
from pipeline.mining.vectors import VectorSource
from pipeline.progress import progress

RESAMPLES = 1_000
SUFFIXES = (".parquet", ".tsv", ".tmx", ".ids")


@dataclass(frozen=True)
class Outputs:
    """Where pairs go.

    Attributes:
        files: the form of each follows from its suffix, one of `SUFFIXES`: ``.ids`` is BUCC's ``id TAB id``.
        moses: the stem of two Moses files, ``<stem>.<language>``, or None.
    """

    files: tuple[Path, ...]
    moses: Path | None = None

    def check(self, a: TextInput, b: TextInput) -> None:
        """Refuse what could not be written in the end, before anything is done.

        Raises:
            UserError: for no output, an unknown suffix, languages that are needed and unknown, a file that is an input.
        """
        if not self.files and self.moses is None:
            raise UserError("--out: nothing to write; give --out FILE or --moses PREFIX")
        for path in self.files:
            if path.suffix not in SUFFIXES:
                raise UserError(f"--out: {path}: found suffix {path.suffix!r}, expected one of {', '.join(SUFFIXES)}")
        needing = ".tmx" if any(path.suffix == ".tmx" for path in self.files) else "--moses" if self.moses else None
        if needing and UNKNOWN in (a.language, b.language):
            unknown = a if a.language == UNKNOWN else b
            raise UserError(
                f"--languages: {needing} needs them, and the name {unknown.path} does not tell; give --languages en,fr"
            )
        if self.moses and a.language == b.language:
            raise UserError(f"--moses: both sides are {a.language}, and Moses files are named by language")
        if any(path.suffix == ".ids" for path in self.files) and (a.kind, b.kind) != ("bucc", "bucc"):
            raise UserError("--out: .ids needs sentences with ids (BUCC's files, `id TAB sentence`)")
        inputs = {Path(side.path).resolve(): side for side in (a, b)}
        stems = [Path(f"{self.moses}.{side.language}") for side in (a, b)] if self.moses else []
        for path in (*self.files, *stems):
            if path.resolve() in inputs:
                raise UserError(f"--out: {path} is the input of {inputs[path.resolve()].option}; give another name")

    def write(self, pairs: Candidates, a: EmbeddedText, b: EmbeddedText, made_by: dict[str, Any]) -> list[Path]:
        """Write pairs, whose rows are those of the texts, in every form asked for; returns the files."""
        side_a, side_b = (Side(side.text.language, side.text.table) for side in (a, b))
        for path in self.files:
            if path.suffix == ".parquet":
                write_parquet(path, pairs, side_a, side_b, made_by)
            elif path.suffix == ".tsv":
                write_tsv(path, pairs, side_a, side_b)
            elif path.suffix == ".tmx":
                write_tmx(path, pairs, side_a, side_b)
            elif a.text.ids is not None and b.text.ids is not None:
                write_pairs(path, np.stack([pairs.row_a, pairs.row_b], axis=1), a.text.ids, b.text.ids)
        stems = write_moses(self.moses, pairs, side_a, side_b) if self.moses else ()
        return [*self.files, *stems]


@dataclass(frozen=True)
class GoldResult:
    """What mining reached against gold pairs.

    Attributes:
        quality: at the threshold.
        intervals: bootstrap intervals of it.
        tuned: whether the threshold was tuned on the same gold.
    """

    quality: Quality
    intervals: Intervals
    tuned: bool


@dataclass(frozen=True)
class Result:
    """What was done.

    Attributes:
        a: the first side.
        b: the second side.
        found: pairs before the threshold.
        written: pairs that were written.
        threshold: what was applied, or None.
        search: how neighbours were found, and what an approximate search cost.
        gold: against gold pairs, if there were any.
        files: what was written.
    """

    a: EmbeddedText
    b: EmbeddedText
    found: int
    written: int
    threshold: float | None
    search: dict[str, Any]
    gold: GoldResult | None
    files: list[Path]


def embed_files(
    inputs: Sequence[TextInput], encoder: ModelEncoder, work: Path, vectors: Path | None
) -> tuple[EmbeddedText, EmbeddedText]:
    """Read and embed both sides.

    Args:
        inputs: the two sides.
        encoder: the model.
        work: a folder for texts, and for vectors that nobody wants to keep.
        vectors: where vectors are kept to be used again.

    Raises:
        UserError: see `read_text` and `embed_text`.
    """
    texts = [read_text(side, work / f"{name}.arrow") for side, name in zip(inputs, ("src", "trg"), strict=True)]
    a, b = (embed_text(encoder, text, vectors or work, name) for text, name in zip(texts, ("src", "trg"), strict=True))
    return a, b


def mine_files(
    inputs: tuple[TextInput, TextInput],
    encoder: ModelEncoder,
    options: Mine,
    outputs: Outputs,
    work: Path,
    vectors: Path | None = None,
    gold: Path | None = None,
    tune_gold: bool = False,
) -> Result:
    """Mine the translations among two texts' different sentences, and write them, best first.

    A sentence that stands more than once is mined once, as its first row. Gold pairs of copies are one pair.

    Args:
        inputs: the two sides.
        encoder: the model.
        options: of mining; ``threshold`` is applied.
        outputs: where to.
        work: a folder for temporary files.
        vectors: where vectors are kept to be used again, if they are.
        gold: BUCC's gold file, of texts with ids.
        tune_gold: tune the threshold on it.

    Raises:
        UserError: for anything wrong with texts, model, gold or outputs.
    """
    outputs.check(*inputs)
    if gold is not None and any(side.kind != "bucc" for side in inputs):
        raise UserError(f"--gold: {gold} holds pairs of ids; expected BUCC's files (`id TAB sentence`) on both sides")
    a, b = embed_files(inputs, encoder, work, vectors)
    true, total = (None, 0) if gold is None else gold_vectors(gold, a, b)
    search = _search(a, b, options, f"mine {a.text.language}-{b.text.language}")
    mined = mine_neighbors(search.neighbors, options)
    pairs, threshold, result = mined.pairs, options.threshold, None
    if true is not None and gold is not None:
        check_offset(gold, pairs, true)
        flags = gold_flags(pairs, true)
        if tune_gold:
            threshold = tune(pairs.score, flags, total).value
        result = against_gold(pairs.score, flags, total, threshold, tune_gold)
    about = dict(search.about)
    if options.search == "approximate":
        lost = cost(exact_sample(a.vectors, b.vectors, options), mined, threshold).as_metrics()
        about["cost"] = {name: round(value, 6) if isinstance(value, float) else value for name, value in lost.items()}
    wanted = pairs if threshold is None else pairs.above(threshold)
    rows = replace(wanted, row_a=a.first[wanted.row_a], row_b=b.first[wanted.row_b])
    files = outputs.write(rows, a, b, _made_by("mined", encoder, options, threshold, about))
    return Result(a, b, len(pairs), len(wanted), threshold, about, result, files)


def against_gold(
    scores: NDArray[np.float64], flags: NDArray[np.bool_], gold: int, threshold: float | None, tuned: bool
) -> GoldResult:
    """Quality of pairs [p] at a threshold (None: of all of them), with bootstrap intervals; see `threshold.bootstrap`."""
    limit = -np.inf if threshold is None else threshold
    intervals = bootstrap(scores, flags, gold, RESAMPLES, 0, None if tuned else limit)
    return GoldResult(evaluate(scores, flags, gold, limit), intervals, tuned)


def gold_vectors(path: Path, a: EmbeddedText, b: EmbeddedText) -> tuple[Rows, int]:
    """Gold pairs as pairs of vectors [g, 2], each once, and how many gold pairs there are.

    These may be more than g: a pair with a sentence that has no vector counts, but can't be found.

    Raises:
        InputError: see `pipeline.mining.bucc.read_gold`.
    """
    if a.text.ids is None or b.text.ids is None:
        raise ValueError("gold pairs need texts with ids")
    rows = read_gold(path, a.text.ids, b.text.ids)
    pairs = np.stack([a.vector_of[rows[:, 0]], b.vector_of[rows[:, 1]]], axis=1)
    there = (pairs >= 0).all(axis=1)
    found = np.unique(pairs[there], axis=0)
    return found, len(found) + int((~there).sum())


def score_files(
    inputs: tuple[TextInput, TextInput],
    encoder: ModelEncoder,
    options: Mine,
    outputs: Outputs,
    work: Path,
    vectors: Path | None = None,
    min_score: float | None = None,
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
        vectors: where vectors are kept to be used again, if they are.
        min_score: only pairs of at least this score are written.

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
    search = _search(a, b, options, f"score {a.text.language}-{b.text.language}")
    pairs = given_pairs(a.vectors, b.vectors, search.neighbors, a.vector_of, b.vector_of, options)
    wanted = pairs if min_score is None else pairs.above(min_score)
    files = outputs.write(wanted, a, b, _made_by("scored", encoder, options, min_score, search.about))
    return Result(a, b, len(pairs), len(wanted), min_score, search.about, None, files)


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


def _search(a: EmbeddedText, b: EmbeddedText, options: Mine, label: str) -> Search:
    # FAISS indexes look both sides up; the other searches go once over side a.
    indexed = options.search == "approximate" and options.index is not None
    total = len(a.vectors) + (len(b.vectors) if indexed else 0)
    with progress(label, total, "sentences") as advance:
        return find_neighbors(a.vectors, b.vectors, options, advance=advance)


def _made_by(
    kind: str, encoder: ModelEncoder, options: Mine, threshold: float | None, about: dict[str, Any]
) -> dict[str, Any]:
    return {
        "kind": kind,
        "encoder": encoder.identity,
        "options": options.model_dump(mode="json", exclude={"memory_bytes", "index_bytes", "threshold"}),
        "threshold": threshold,
        "search": about,
    }
