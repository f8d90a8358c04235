"""Mining between the sentences of two languages, as stages keep them: from artifacts to a Parquet of pairs.

A mining set is a choice of rows on each side: the held-out documents' ``dev`` and ``test`` sentences (with gold pairs), or
all of the user's own one-sided text, ``mine``. The threshold is tuned on dev by BUCC's procedure, frozen, and applied to the
others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
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
from pipeline.compute.work import Engine
from pipeline.config.mine import Mine
from pipeline.console.errors import ArtifactError
from pipeline.console.progress import progress
from pipeline.ground.arrays import Rows
from pipeline.ground.atomic import atomic_file
from pipeline.ground.file_checksum import seal
from pipeline.mining.documents import restrict
from pipeline.mining.judging.control import (
    Control,
    partner_control,
    restricted_control,
    shared_documents,
    shuffled_control,
)
from pipeline.mining.judging.quality import cost, exact_sample
from pipeline.mining.judging.threshold import Quality, evaluate, tune
from pipeline.mining.keys import KeyFormatError, day_numbers
from pipeline.mining.mine import MinedPairs, find_neighbors, mine_neighbors, search_job
from pipeline.mining.pair_rules import MinedRules, PairRules
from pipeline.mining.row_texts import RowTexts
from pipeline.search.folder_rows import SelectedVectors
from pipeline.search.job import SearchWorkers
from pipeline.search.scratch import ScratchArrays
from pipeline.search.vectors import check_same_model
from pipeline.search.workers import worth_workers

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
        vectors: the student's.
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
        rows_a: of side a [n], in order.
        rows_b: of side b [m], in order.
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
        pairs: one-to-one, best first; rows are positions in the set's rows.
        is_gold: whether each pair is a gold pair [p], or None.
        search: how neighbours were found (exact or approximate, and with what).
        cost: at a threshold, what an approximate search lost against an exact one on a sample; None if it was exact.
        control: at a threshold, what mining accepts where there is nothing to find; None if that can't be had.
        left_out: what the rules left out: sentences of either side whose text stands on the other (``copies_a``,
            ``copies_b``: never paired with each other), and how often a sentence's best candidate broke a rule, by rule.
    """

    source: MiningSet
    pairs: MinedPairs
    is_gold: NDArray[np.bool_] | None
    search: dict[str, Any]
    cost: Callable[[float | None], dict[str, Any] | None]
    control: Callable[[float | None], Control | None]
    left_out: dict[str, int] = field(default_factory=dict)

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


def mine_set(
    source: MiningSet,
    side_a: TextSide,
    side_b: TextSide,
    options: Mine,
    seed: int,
    label: str,
    indexes: Path | None = None,
    engine: Engine | None = None,
    shared: Sequence[Path] = (),
    scratch: Path | None = None,
    of_pair: MinedRules | None = None,
) -> MinedSet:
    """Mine one set, as the options say; memory as in `pipeline.mining.mine`, and the names of its sentences' documents.

    Args:
        source: the set.
        side_a: of the first language.
        side_b: of the second.
        options: the section ``mine`` of params.yaml.
        seed: of everything that is drawn.
        label: of its progress.
        indexes: where FAISS indexes are kept to be used again.
        engine: who searches, where the search goes over the whole set; this process if not given.
        shared: folders that the engine's workers must see.
        scratch: a folder of this set's own, in one of those, for what doesn't fit into ``options.memory_bytes``; what is
            returned may be mapped from there.
        of_pair: the rules that pairs have to pass, as training text does; sentences passed theirs in prepare.

    Raises:
        ArtifactError: if it is to be mined within documents or days, and there are none.
        VectorError: if the sides' vectors are of different encoders or dimensions, zero or not finite.
    """
    check_same_model(side_a.vectors.made_by.get("encoder", {}), side_b.vectors.made_by.get("encoder", {}))
    x, y = SelectedVectors(side_a.vectors, source.rows_a), SelectedVectors(side_b.vectors, source.rows_b)
    documents = _documents(side_a, source.rows_a), _documents(side_b, source.rows_b)
    keys = None if options.within == "corpus" else _keys_of(documents, (side_a, side_b), options)
    window = options.window if options.within == "window" else None
    only = None if keys is None else restrict(*keys, window)
    total = len(x) - (0 if only is None else only.alone_a)
    spread = None if engine is None or engine.alone else SearchWorkers(engine, shared)
    room = ScratchArrays.for_rows(scratch, len(x) + len(y), options.k, options.memory_bytes)
    rules = None if of_pair is None else _rules(of_pair, source, side_a, side_b)
    copies = None if rules is None else rules.copies
    job = search_job(options, indexes=indexes, seed=seed, scratch=room, workers=spread, copies=copies)
    with progress(label, total, "sentences") as advance:
        search = find_neighbors(x, y, replace(job, advance=advance), only)
    mined = mine_neighbors(search.neighbors, options, room, rules)

    def lost(threshold: float | None) -> dict[str, Any] | None:
        if search.about["exact"]:
            return None
        sampled = worth_workers(replace(job, scratch=room.part("cost")), x, y)
        return cost(exact_sample(x, y, sampled, options.score), mined, threshold).as_metrics()

    def control(threshold: float | None) -> Control | None:
        if keys is not None:
            shuffled = restrict(*keys, window, seed)
            return None if shuffled is None else restricted_control(x, y, shuffled, options, rules)
        if shared_documents(*documents):
            return shuffled_control(x, y, *documents, options, seed, rules)
        return partner_control(mined, options, threshold, room.part("control"), rules)

    is_gold = None
    if source.gold is not None:
        width = max(len(source.rows_b), 1)
        pairs = mined.pairs
        is_gold = np.isin(pairs.row_a * width + pairs.row_b, source.gold[:, 0] * width + source.gold[:, 1])
    left_out = dict(mined.broken)
    if copies is not None:
        left_out |= {"copies_a": len(copies.rows_a), "copies_b": len(copies.rows_b)}
    return MinedSet(source, mined.pairs, is_gold, search.about, lost, control, left_out)


def _rules(of_pair: MinedRules, source: MiningSet, side_a: TextSide, side_b: TextSide) -> PairRules:
    rows = (side_a.texts, source.rows_a), (side_b.texts, source.rows_b)
    one, other = (RowTexts.of_folder(texts, chosen) for texts, chosen in rows)
    return of_pair.between(one, other)


def _documents(side: TextSide, rows: Rows) -> NDArray[np.str_]:
    """Each row's document [n], as wide as the longest name; a chunk at a time as Python's strings."""
    chunks = (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
    names = [np.array(side.texts.column("doc", chunk).to_pylist(), dtype=np.str_) for chunk in chunks]
    return np.concatenate(names) if names else np.empty(0, np.str_)


def _keys_of(
    documents: tuple[NDArray[np.str_], NDArray[np.str_]], sides: tuple[TextSide, TextSide], options: Mine
) -> tuple[NDArray[Any], NDArray[Any]]:
    for names, side in zip(documents, sides, strict=True):
        if not (names != "").any():
            raise ArtifactError(
                side.texts.folder, f"no sentence has a document, and mine.within is {options.within}; set it to corpus"
            )
    if options.within == "document":
        return documents
    try:
        return day_numbers(documents[0]), day_numbers(documents[1])
    except KeyFormatError as error:
        raise ArtifactError(
            sides[0].texts.folder.parent,
            f"mine.within is window, but a sentence's document is {error.key!r}; expected a date like 2024-05-23 or a "
            "whole number",
        ) from None


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
