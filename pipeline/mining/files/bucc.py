"""BUCC's task from files to files: sets made of parallel text, and mined pairs measured against gold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.artifacts.table_rows import take_rows
from pipeline.console.errors import InputError, UserError
from pipeline.ground.arrays import CHUNK
from pipeline.mining.files.gold import GoldResult, against_gold
from pipeline.mining.files.text import OwnText, TextInput, read_sides
from pipeline.mining.judging.bucc import (
    BuccSet,
    Sentences,
    make_set,
    read_gold,
    read_ids,
    read_sentences,
    unique_pairs,
    write_set,
)
from pipeline.mining.judging.threshold import tune
from pipeline.text.rules import UNKNOWN

Ids = tuple[str, str]


@dataclass(frozen=True)
class MadeSet:
    """A set that was written.

    Attributes:
        stem: the stem of its files, ``<stem>.<language>`` and ``<stem>.gold``.
        a: the number of sentences of the first side.
        b: the number of sentences of the second side.
        gold: the number of gold pairs.
    """

    stem: Path
    a: int
    b: int
    gold: int


def make_files(
    inputs: tuple[TextInput, TextInput], out: Path, work: Path, seed: int, gold_share: float, training_share: float
) -> list[MadeSet]:
    """Make ``training`` and ``test`` sets of parallel text that share no sentence, as BUCC's do.

    Holds all of the text in memory.

    Args:
        inputs: both sides, aligned line by line.
        out: the folder of the sets.
        work: a folder for temporary files.
        seed: the seed of everything that is drawn.
        gold_share: the share of each side's sentences that have a translation on the other.
        training_share: the share of the pairs that go into the training set; with 0 or 1 there is only one set.

    Raises:
        UserError: if languages are not known or the same, sides differ in length, or there are too few pairs.
    """
    a, b = read_sides(*inputs, (work / "src.arrow", work / "trg.arrow"))
    languages = (a.language, b.language)
    if UNKNOWN in languages or a.language == b.language:
        raise UserError(f"--languages: found {','.join(languages)}; expected two different ones, like en,fr")
    texts_a, texts_b = _aligned(a, b)
    order = np.random.default_rng(seed).permutation(unique_pairs(texts_a, texts_b))
    cut = round(training_share * len(order))
    made = []
    for name, rows in (("training", np.sort(order[:cut])), ("test", np.sort(order[cut:]))):
        if len(rows) == 0:
            continue
        one, other = ([texts[row] for row in rows.tolist()] for texts in (texts_a, texts_b))
        made_set = make_set(one, other, languages, seed, gold_share)
        stem = out / f"{'-'.join(languages)}.{name}"
        write_set(stem, made_set, *languages)
        made.append(_made(stem, made_set))
    return made


def _aligned(a: OwnText, b: OwnText) -> tuple[list[str], list[str]]:
    rows = np.flatnonzero(a.usable & b.usable)
    if len(rows) == 0:
        raise InputError(f"{a.source.path} and {b.source.path}", "no line has text on both sides")
    one, other = (_texts(text, rows) for text in (a, b))
    return one, other


def _texts(text: OwnText, rows: NDArray[np.int64]) -> list[str]:
    table = text.table.select(["text"])
    steps = range(0, len(rows), CHUNK)
    return [value for at in steps for value in take_rows(table, rows[at : at + CHUNK]).column("text").to_pylist()]


def _made(stem: Path, made: BuccSet) -> MadeSet:
    return MadeSet(stem, len(made.a), len(made.b), 0 if made.gold is None else len(made.gold))


@dataclass(frozen=True)
class FoundPairs:
    """Pairs of ids, with their scores if the file has them.

    Attributes:
        ids: the pairs' ids [p].
        scores: the pairs' scores [p]; None of a plain list of accepted pairs.
    """

    ids: list[Ids]
    scores: NDArray[np.float64] | None


def read_found(path: Path) -> FoundPairs:
    """Mined pairs: a Parquet file with columns id_a, id_b and score, or ``id TAB id`` lines.

    Raises:
        InputError: if it is neither, a pair stands there twice, or one has no score.
    """
    scores: NDArray[np.float64] | None = None
    if path.suffix == ".parquet":
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise InputError(path, f"not a readable Parquet file ({str(error).splitlines()[0]})") from None
        if missing := [name for name in ("id_a", "id_b", "score") if name not in table.column_names]:
            raise InputError(
                path, f"has no column {missing[0]}; expected pairs mined from BUCC's files, which have ids"
            )
        ids = list(zip(table.column("id_a").to_pylist(), table.column("id_b").to_pylist(), strict=True))
        scores = _scores(path, table)
    else:
        ids = [(a, b) for _, a, b in read_ids(path)]
    seen: set[Ids] = set()
    for number, pair in enumerate(ids, 1):
        if pair in seen:
            raise InputError(path, f"the pair {pair[0]} {pair[1]} stands here twice; expected each once", number)
        seen.add(pair)
    return FoundPairs(ids, scores)


def _scores(path: Path, table: pa.Table) -> NDArray[np.float64]:
    column = table.column("score")
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise InputError(path, f"the column score is {column.type}; expected numbers")
    scores: NDArray[np.float64] = column.to_numpy().astype(np.float64)
    if (missing := np.flatnonzero(np.isnan(scores))).size:
        raise InputError(
            path,
            f"{len(missing):,} of {len(scores):,} pairs have no score, the first of them row {missing[0] + 1}; expected "
            "mined pairs (softalign score leaves such out with --min-score)",
        )
    return scores


def evaluate_files(
    gold: Path,
    pairs: Path,
    sentences: tuple[Path, Path] | None = None,
    threshold: float | None = None,
    tuned: bool = False,
) -> tuple[GoldResult, float | None]:
    """Measure mined pairs against gold.

    Args:
        gold: a file of ``id TAB id`` lines.
        pairs: a file of mined pairs, as for `read_found`.
        sentences: both sides' files; with them, ids are checked and a sentence's copies count as one sentence.
        threshold: a frozen threshold; pairs below it do not count.
        tuned: whether the threshold is tuned on this gold.

    Returns:
        What was reached, and the threshold.

    Raises:
        UserError: if a file can't be used, or a threshold is asked of pairs without scores.
    """
    found, true = read_found(pairs), [(a, b) for _, a, b in read_ids(gold)]
    if found.scores is None and (tuned or threshold is not None):
        raise InputError(pairs, "has no scores, so no threshold can be applied; expected a Parquet file of mined pairs")
    if sentences is not None:
        a, b = (read_sentences(path) for path in sentences)
        read_gold(gold, a, b)
        one, other = _first_copies(a), _first_copies(b)
        true = [(one[i], other[j]) for i, j in true]
        if unknown := [pair for pair in found.ids if pair[0] not in one or pair[1] not in other]:
            raise InputError(pairs, f"the pair {unknown[0][0]} {unknown[0][1]} is not of {a.path} and {b.path}")
        found = replace(found, ids=[(one[i], other[j]) for i, j in found.ids])
    wanted = set(true)
    flags = np.array([pair in wanted for pair in found.ids], dtype=np.bool_)
    scores = np.ones(len(flags)) if found.scores is None else found.scores
    if tuned:
        threshold = tune(scores, flags, len(wanted)).value
    return against_gold(scores, flags, len(wanted), threshold, tuned), threshold


def _first_copies(side: Sentences) -> dict[str, str]:
    """The id under which each id's text stands first."""
    first: dict[str, str] = {}
    return {name: first.setdefault(text, name) for name, text in zip(side.ids, side.texts, strict=True)}
