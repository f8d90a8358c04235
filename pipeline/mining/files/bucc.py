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
        stem: its files are ``<stem>.<language>`` and ``<stem>.gold``.
        a: sentences of the first side.
        b: of the second.
        gold: pairs.
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
        seed: of everything that is drawn.
        gold_share: the share of each side's sentences that have a translation on the other.
        training_share: of the pairs, how many go into the training set; with 0 or 1 there is only one set.

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
        ids: [p].
        scores: [p]; None: a plain list of accepted pairs.
    """

    ids: list[Ids]
    scores: NDArray[np.float64] | None


def read_found(path: Path) -> FoundPairs:
    """Mined pairs: a Parquet file with columns id_a, id_b and score, or ``id TAB id`` lines.

    Raises:
        InputError: if it is neither, or a pair stands there twice.
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
        scores = table.column("score").to_numpy().astype(np.float64)
    else:
        ids = read_ids(path)
    seen: set[Ids] = set()
    for number, pair in enumerate(ids, 1):
        if pair in seen:
            raise InputError(path, f"the pair {pair[0]} {pair[1]} stands here twice; expected each once", number)
        seen.add(pair)
    return FoundPairs(ids, scores)


def read_ids(path: Path) -> list[Ids]:
    """``id TAB id`` lines.

    Raises:
        InputError: for a missing file, text that is not UTF-8, or a line of another form.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(path, f"not UTF-8 ({error.reason})") from None
    ids = []
    for number, line in enumerate(lines, 1):
        if stripped := line.rstrip("\r"):
            a, tab, b = stripped.partition("\t")
            if not tab or not a or not b or "\t" in b:
                raise InputError(path, f"found {line[:60]!r}; expected two ids with a tab between them", number)
            ids.append((a, b))
    return ids


def evaluate_files(
    gold: Path,
    pairs: Path,
    sentences: tuple[Path, Path] | None = None,
    threshold: float | None = None,
    tuned: bool = False,
) -> tuple[GoldResult, float | None]:
    """Measure mined pairs against gold.

    Args:
        gold: ``id TAB id`` lines.
        pairs: see `read_found`.
        sentences: both sides' files; with them, ids are checked and a sentence's copies count as one sentence.
        threshold: a frozen one; pairs below it do not count.
        tuned: tune the threshold on this gold.

    Returns:
        What was reached, and the threshold.

    Raises:
        UserError: if a file can't be used, or a threshold is asked of pairs without scores.
    """
    found, true = read_found(pairs), read_ids(gold)
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
