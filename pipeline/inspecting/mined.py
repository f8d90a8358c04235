"""Mined pairs and other Parquet files, scanned lazily: all scores are read, and of text the rows shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.artifacts.parquet import FORMAT, read_made_by
from pipeline.artifacts.parquet_rows import ROW, extreme_rows, fetch, scan
from pipeline.artifacts.shards import METADATA_KEY
from pipeline.console.errors import ArtifactError
from pipeline.console.plain_text import clip
from pipeline.ground.file_checksum import is_sealed
from pipeline.inspecting.view import Table, View, ViewRequest, flatten, size_text, value_text

DAMAGE = (
    *(pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError, TypeError, LookupError),
    *(OverflowError, MemoryError, RecursionError),
)
"""What the libraries raise for a file whose parts contradict each other."""

SHOWN = ("score", "accepted", "gold", "text_a", "text_b")
"""The columns of a mined pair that samples show, where they are there."""


def parquet_metadata(path: Path) -> tuple[pq.FileMetaData, dict[str, Any]]:
    """A Parquet file's own metadata, and what made it (empty if it isn't softalign's).

    Raises:
        ArtifactError: if it isn't a Parquet file.
    """
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise ArtifactError(path, f"not a readable Parquet file ({why})") from None
    own = METADATA_KEY in (metadata.metadata or {}) or is_sealed(path)
    return metadata, read_made_by(path, {}, formats=(1, FORMAT)) if own else {}


def parquet_view(title: str, path: Path, wanted: ViewRequest) -> View:
    """Facts and samples of a Parquet file; of mined pairs the best, the worst, and those near the threshold.

    Raises:
        ArtifactError: if it is damaged.
    """
    try:
        return _parquet_view(title, path, wanted)
    except (*DAMAGE, pl.exceptions.PanicException) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise ArtifactError(path, f"damaged: can't be read as Parquet ({why})") from None


def _parquet_view(title: str, path: Path, wanted: ViewRequest) -> View:
    metadata, made_by = parquet_metadata(path)
    schema = metadata.schema.to_arrow_schema()
    names = schema.names
    mined = (
        {"score", "text_a", "text_b"} <= set(names)
        and pa.types.is_floating(schema.field("score").type)
        and all(pa.types.is_string(schema.field(f"text_{side}").type) for side in "ab")
    )
    frame = scan(path)
    facts = [
        ("what", "mined pairs" if mined else "table"),
        ("rows", f"{metadata.num_rows:,}"),
        ("size", size_text(path.stat().st_size)),
        ("columns", ", ".join(f"{field.name}: {field.type}" for field in metadata.schema.to_arrow_schema())),
        *((f"made by: {name}", value_text(value)) for name, value in flatten(made_by)),
    ]
    if mined:
        facts += _mined_facts(frame, names)
        return View(title, tuple(facts), tuple(_mined_tables(path, names, made_by, wanted)))
    return View(title, tuple(facts), (_table("samples", frame.head(wanted.rows).select(names).collect()),))


def _mined_facts(frame: pl.LazyFrame, names: Sequence[str]) -> list[tuple[str, str]]:
    facts = []
    if "set" in names:
        wanted = [pl.len().alias("pairs"), *([pl.col("accepted").sum()] if "accepted" in names else [])]
        for row in frame.group_by("set").agg(wanted).sort("set").collect().iter_rows(named=True):
            accepted = f", {row['accepted']:,} accepted" if "accepted" in row else ""
            facts.append((f"set {row['set']}", f"{row['pairs']:,} pairs{accepted}"))
    return facts


def _mined_tables(path: Path, names: Sequence[str], made_by: dict[str, Any], wanted: ViewRequest) -> list[Table]:
    shown = [name for name in SHOWN if name in names] + [name for name in ("set",) if name in names]
    frame = scan(path)
    if wanted.query is not None:
        holds = pl.any_horizontal(
            pl.col(side).str.to_lowercase().str.contains(wanted.query.lower(), literal=True)
            for side in ("text_a", "text_b")
        )
        found = frame.filter(holds).select(shown).head(wanted.rows).collect(engine="streaming")
        return [_table(f"pairs with {clip(wanted.query, 80)!r}", found)]
    scores = frame.select(ROW, "score").collect()
    rows = {"the best": extreme_rows(scores, "score", wanted.rows, descending=True)}
    threshold = made_by.get("threshold")
    if isinstance(threshold, int | float):
        half = -(-wanted.rows // 2)
        above = extreme_rows(scores.filter(pl.col("score") >= threshold), "score", half, descending=False)
        below = extreme_rows(scores.filter(pl.col("score") < threshold), "score", half, descending=True)
        rows[f"near the threshold ({threshold:.4f})"] = [*reversed(above), *below]
    rows["the worst"] = extreme_rows(scores, "score", wanted.rows, descending=False)
    found = fetch(path, [row for picked in rows.values() for row in picked], shown)
    tables, start = [], 0
    for title, picked in rows.items():
        tables.append(_table(title, found[start : start + len(picked)]))
        start += len(picked)
    return tables


def _table(title: str, frame: pl.DataFrame) -> Table:
    numeric = frozenset(name for name, dtype in frame.schema.items() if dtype.is_float())
    rows = tuple(
        tuple(_cell(value, name in numeric) for name, value in zip(frame.columns, row, strict=True))
        for row in frame.iter_rows()
    )
    return Table(title, tuple(frame.columns), rows, numeric)


def _cell(value: Any, score: bool) -> str:
    if value is None:
        return "unknown"
    if score:
        return f"{value:.4f}"
    plain_number = isinstance(value, int) and not isinstance(value, bool)
    return clip(str(value) if plain_number else value_text(value))
