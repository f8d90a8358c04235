"""Mining between the sentences of two languages, as stages keep them: from artifacts to a Parquet of pairs.

A mining set is a choice of rows on each side: the held-out documents' ``dev`` and ``test`` sentences (with gold pairs), or
all of the user's own one-sided text, ``mine``. The threshold is tuned on dev by BUCC's procedure, frozen, and applied to the
others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.artifacts.folders import TextFolder, VectorFolder
from pipeline.artifacts.pairs import HeldOutFolder
from pipeline.artifacts.parquet import sealed_metadata
from pipeline.artifacts.shards import KEY, key_array
from pipeline.config.mine import Mine
from pipeline.console.errors import ArtifactError
from pipeline.ground.arrays import Rows
from pipeline.ground.atomic import atomic_file
from pipeline.ground.file_checksum import seal
from pipeline.mining.judging.bucc import gold_flags
from pipeline.mining.judging.threshold import Quality, evaluate, tune
from pipeline.mining.keys import KeyFormatError, day_numbers
from pipeline.mining.mine import MinedPairs
from pipeline.mining.row_texts import RowTexts
from pipeline.mining.sides import MinedSides, MiningRun, MiningSide, mine_sides
from pipeline.search.folder_rows import SelectedVectors
from pipeline.search.vectors import check_same_model

CHUNK = 50_000
SIDE_COLUMNS = ("text", "corpus", "file", "line")
_SIDE_TYPES = {"id": KEY, "text": pa.string(), "corpus": pa.string(), "file": pa.string(), "line": pa.int64()}
MINED = pa.schema(
    {"set": pa.string(), "accepted": pa.bool_(), "gold": pa.bool_()}
    | {name: pa.float32() for name in ("score", "cosine", "mean_a", "mean_b")}
    | {name: pa.int32() for name in ("rank_a_to_b", "rank_b_to_a")}
    | {f"{name}_{side}": kind for side in ("a", "b") for name, kind in _SIDE_TYPES.items()}
)
"""A mined pair; see `write_mined`."""


@dataclass(frozen=True)
class TextSide:
    """One language: its sentences with their provenance, and their vectors, row by row the same.

    Attributes:
        texts: sentences (the artifact ``monolingual``).
        vectors: the student's vectors of them.
    """

    texts: TextFolder
    vectors: VectorFolder

    def __post_init__(self) -> None:
        if not self.texts.has_keys_of(self.vectors):
            raise ArtifactError(self.vectors.folder, f"not the vectors of {self.texts.folder}; run stage embed again")


@dataclass(frozen=True)
class MiningSet:
    """What is mined between: rows of the two sides, and the gold pairs where they are known.

    Attributes:
        name: dev, test or mine.
        rows_a: the rows of side a [n], in order.
        rows_b: the rows of side b [m], in order.
        gold: pairs of positions in ``rows_a`` and ``rows_b`` [g, 2], or None where nobody knows.
    """

    name: str
    rows_a: Rows
    rows_b: Rows
    gold: NDArray[np.int64] | None


@dataclass(frozen=True)
class MinedSet:
    """What mining one set gave.

    Attributes:
        source: the set.
        found: the pairs, whose rows are positions in the set's rows, and what there is to judge them by.
        is_gold: whether each pair is a gold pair [p], or None where nobody knows.
    """

    source: MiningSet
    found: MinedSides
    is_gold: NDArray[np.bool_] | None

    @property
    def pairs(self) -> MinedPairs:
        """The pairs, one-to-one and best first [p]."""
        return self.found.pairs

    def quality(self, threshold: float) -> Quality | None:
        """Against gold at a threshold; None without gold."""
        if self.is_gold is None or self.source.gold is None or len(self.source.gold) == 0:
            return None
        return evaluate(self.pairs.score, self.is_gold, len(self.source.gold), threshold)


def heldout_set(name: str, heldout: HeldOutFolder, side_a: TextSide, side_b: TextSide) -> MiningSet | None:
    """The mining set of a held-out set (dev or test); None if it has no gold pair."""
    rows = heldout.rows(name)
    here_a, here_b = rows[heldout.in_a[rows]], rows[heldout.in_b[rows]]
    rows_a = np.unique(side_a.texts.rows_of(heldout.a[here_a]))
    rows_b = np.unique(side_b.texts.rows_of(heldout.b[here_b]))
    both = rows[heldout.in_a[rows] & heldout.in_b[rows]]
    if len(both) == 0:
        return None
    gold = np.stack(
        [
            np.searchsorted(rows_a, side_a.texts.rows_of(heldout.a[both])),
            np.searchsorted(rows_b, side_b.texts.rows_of(heldout.b[both])),
        ],
        axis=1,
    )
    return MiningSet(name, rows_a, rows_b, gold)


def own_text_set(side_a: TextSide, side_b: TextSide) -> MiningSet | None:
    """The mining set of the user's one-sided text; None if either side has none."""
    rows_a, rows_b = side_a.texts.flagged("to_mine"), side_b.texts.flagged("to_mine")
    return MiningSet("mine", rows_a, rows_b, None) if len(rows_a) and len(rows_b) else None


def mine_set(source: MiningSet, side_a: TextSide, side_b: TextSide, run: MiningRun) -> MinedSet:
    """Mine one set; memory as in `pipeline.mining.mine`, and the names of its sentences' documents.

    Args:
        source: the set.
        side_a: the first language's sentences and vectors.
        side_b: the second language's.
        run: how the set is mined; its rules are those of training text, of which prepare has applied those about one side.

    Raises:
        ArtifactError: if it is to be mined within documents or days, and there are none.
        VectorError: if the sides' vectors are of different encoders or dimensions, zero or not finite.
    """
    check_same_model(side_a.vectors.made_by.get("encoder", {}), side_b.vectors.made_by.get("encoder", {}))
    chosen = ((side_a, source.rows_a), (side_b, source.rows_b))
    a, b = (_mining_side(side, rows, run.options) for side, rows in chosen)
    found = mine_sides(a, b, run)
    return MinedSet(source, found, None if source.gold is None else gold_flags(found.pairs, source.gold))


def _mining_side(side: TextSide, rows: Rows, options: Mine) -> MiningSide:
    documents = _documents(side, rows)
    days = None
    if options.within != "corpus" and not (documents != "").any():
        raise ArtifactError(
            side.texts.folder, f"no sentence has a document, and mine.within is {options.within}; set it to corpus"
        )
    if options.within == "window":
        try:
            days = day_numbers(documents)
        except KeyFormatError as error:
            raise ArtifactError(
                side.texts.folder,
                f"mine.within is window, but a sentence's document is {error.key!r}; expected a date like 2024-05-23 or a "
                "whole number",
            ) from None
    return MiningSide(SelectedVectors(side.vectors, rows), RowTexts.of_folder(side.texts, rows), documents, days)


def _documents(side: TextSide, rows: Rows) -> NDArray[np.str_]:
    """Each row's document [n], as wide as the longest name; a chunk at a time as Python's strings."""
    chunks = (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
    names = [np.array(side.texts.column("doc", chunk).to_pylist(), dtype=np.str_) for chunk in chunks]
    return np.concatenate(names) if names else np.empty(0, np.str_)


def choose_threshold(dev: MinedSet | None, fixed: float | None) -> float | None:
    """The fixed threshold, else the one that dev's gold pairs give; None if there is neither."""
    if fixed is not None:
        return fixed
    if dev is None or dev.is_gold is None or dev.source.gold is None:
        return None
    return tune(dev.pairs.score, dev.is_gold, len(dev.source.gold)).value


def write_mined(
    path: Path,
    sets: Sequence[MinedSet],
    side_a: TextSide,
    side_b: TextSide,
    threshold: float | None,
    made_by: dict[str, Any],
) -> None:
    """Write the pairs of all sets, best first within each set, as Parquet (zstd).

    Columns: set, accepted (score at least the threshold; null without one), gold (null where unknown), score and its parts
    (cosine, both neighbourhood means, both ranks), and of each side key, text and where it stands (corpus, file, line).
    Holds ``CHUNK`` rows of text in memory.
    """
    metadata = sealed_metadata({**made_by, "kind": "mined", "threshold": threshold})
    schema = MINED.with_metadata(metadata)
    with atomic_file(path) as temporary:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for table in _tables(sets, side_a, side_b, threshold):
                writer.write_table(table.replace_schema_metadata(metadata))
        seal(temporary)


def _tables(
    sets: Sequence[MinedSet], side_a: TextSide, side_b: TextSide, threshold: float | None
) -> Iterator[pa.Table]:
    for mined in sets:
        for start in range(0, max(len(mined.pairs), 1), CHUNK):
            part = mined.pairs.take(slice(start, start + CHUNK))
            count = len(part)
            accepted = None if threshold is None else part.score >= threshold
            gold = None if mined.is_gold is None else mined.is_gold[start : start + CHUNK]
            columns: dict[str, Any] = {
                "set": pa.array([mined.source.name] * count, pa.string()),
                "accepted": pa.array([None] * count if accepted is None else accepted, pa.bool_()),
                "gold": pa.array([None] * count if gold is None else gold, pa.bool_()),
            }
            for name in ("score", "cosine", "mean_a", "mean_b"):
                columns[name] = pa.array(getattr(part, name).astype(np.float32))
            for name in ("rank_a_to_b", "rank_b_to_a"):
                columns[name] = pa.array(getattr(part, name).astype(np.int32))
            columns |= _side(side_a.texts, mined.source.rows_a[part.row_a], "a")
            columns |= _side(side_b.texts, mined.source.rows_b[part.row_b], "b")
            yield pa.table(columns, schema=MINED)


def _side(texts: TextFolder, rows: Rows, suffix: str) -> dict[str, Any]:
    columns: dict[str, Any] = {f"id_{suffix}": key_array(texts.keys_of(rows))}
    columns |= {f"{name}_{suffix}": texts.column(name, rows) for name in SIDE_COLUMNS}
    return columns
