"""What one model reached, as files: JSON for people and programs, and Parquet with every item for `softalign compare`.

Neither holds a time or a path: the same model on the same benchmarks gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import pipeline
from pipeline.artifacts.parquet import FORMAT, read_made_by, sealed_metadata
from pipeline.artifacts.shards import KEY
from pipeline.console.errors import InputError
from pipeline.evaluation.scoring import BenchmarkScore, TaskScore
from pipeline.evaluation.statistics import STATISTICS, Items
from pipeline.ground.atomic import atomic_file, write_text
from pipeline.ground.file_checksum import seal
from pipeline.ground.hashing import pair_key, text_key

KIND = "evaluation"
INTEGERS = ("target", "found", "found_back", "margin", "margin_back", "row", "extracted", "correct", "wanted")
REALS = ("cosine", "gold")
SCHEMA = pa.schema(
    [pa.field(name, pa.string(), False) for name in ("benchmark", "task", "measure", "units")]
    + [pa.field("item", pa.int64(), False), pa.field("id", KEY, False)]
    + [pa.field(name, pa.int64()) for name in INTEGERS]
    + [pa.field(name, pa.float64()) for name in REALS]
    + [pa.field("clean", pa.bool_())]
)
"""One row an item. ``id`` is the key of its two texts: equal in two files where both are about the same sentences. Columns
that a measure does not have are null; see `Items` for the others."""


@dataclass(frozen=True)
class ModelResult:
    """One model's results, read back."""

    path: Path  # the JSON file
    about: dict[str, Any]  # the JSON file's content
    items: dict[str, dict[str, Items]]  # what the scores come from, by benchmark and task
    ids: dict[str, dict[str, pa.Array]]  # keys of each task's items [n]
    # which of them are clean [n]; absent where nobody looked
    clean: dict[str, dict[str, np.ndarray[Any, np.dtype[np.bool_]]]]

    @property
    def name(self) -> str:
        """The model's."""
        return str(self.about["model"]["name"])


def items_path(path: Path) -> Path:
    """Where the items lie that belong to a JSON file: ``x.json`` → ``x.items.parquet``."""
    return path.with_name(f"{path.name.removesuffix('.json')}.items.parquet")


def as_json(
    scores: Sequence[BenchmarkScore], model: str, identity: Mapping[str, Any], resamples: int, seed: int
) -> dict[str, Any]:
    """All that is known of one model's scores, as JSON values."""
    return {
        "kind": KIND,
        "softalign": pipeline.__version__,
        "model": {"name": model, "identity": dict(identity)},
        "bootstrap": {"resamples": resamples, "seed": seed, "level": 0.95},
        "benchmarks": {score.benchmark.name: _benchmark(score) for score in scores},
    }


def _benchmark(score: BenchmarkScore) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": score.benchmark.kind,
        "main": score.main,
        "mean": {name: _value(value, score.mean_intervals.get(name)) for name, value in score.means.items()},
        "tasks": {task.task.name: _task(task) for task in score.tasks},
    }
    if score.clean_mean is not None:
        found["mean"][score.main]["clean"] = round(score.clean_mean, 6)
    if score.unknown:
        found["unknown_tokens"] = {language: round(share, 6) for language, share in score.unknown.items()}
    return found


def _task(task: TaskScore) -> dict[str, Any]:
    found: dict[str, Any] = {
        "languages": [task.task.a, task.task.b],
        "items": len(task.items),
        **{name: _value(value, task.intervals.get(name)) for name, value in task.values.items()},
        **{name: round(value, 6) for name, value in task.more.items()},
    }
    if task.seen is not None and task.clean is not None:
        found["cleanliness"] = {**task.seen, "clean_items": int(task.clean.sum())}
        for name, value in (task.clean_values or {}).items():
            found[name]["clean"] = round(value, 6)
    return found


def _value(value: float, interval: tuple[float, float] | None) -> dict[str, float]:
    found = {"value": round(value, 6)}
    if interval is not None:
        found |= {"low": round(interval[0], 6), "high": round(interval[1], 6)}
    return found


def write_result(path: Path, about: Mapping[str, Any], scores: Sequence[BenchmarkScore]) -> None:
    """Write ``path`` (JSON) and `items_path` (Parquet), each atomically."""
    tables = [_items(score.benchmark.name, task) for score in scores for task in score.tasks]
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    metadata = sealed_metadata({"kind": KIND, "model": about["model"]})
    with atomic_file(items_path(path)) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")
        seal(temporary)
    write_text(path, json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def _items(benchmark: str, task: TaskScore) -> pa.Table:
    size = len(task.items)
    first, second = task.item_texts()
    ids = [pair_key(text_key(a), text_key(b)) for a, b in zip(first, second, strict=True)]
    columns: dict[str, Any] = {
        "benchmark": [benchmark] * size,
        "task": [task.task.name] * size,
        "measure": [task.items.measure] * size,
        "units": [task.items.units] * size,
        "item": np.arange(size),
        "id": ids,
        "clean": task.clean,
        **task.items.columns,
    }
    arrays = [
        pa.nulls(size, field.type) if columns.get(field.name) is None else pa.array(columns[field.name], field.type)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def read_result(path: Path) -> ModelResult:
    """Read what `write_result` wrote.

    Raises:
        InputError: if either file is missing, damaged, or something else.
    """
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(path, "no such file; expected JSON of `softalign evaluate --out`") from None
    except (OSError, ValueError) as error:
        raise InputError(path, f"not JSON ({str(error).splitlines()[0]})") from None
    if not isinstance(about, dict) or about.get("kind") != KIND or "model" not in about:
        raise InputError(path, "JSON, but not of `softalign evaluate --out`")
    beside = items_path(path)
    try:
        if beside.exists():
            read_made_by(beside, {"model": about["model"]}, formats=(1, FORMAT))
        table = pq.read_table(beside)
    except FileNotFoundError:
        raise InputError(beside, f"no such file; it belongs to {path.name} and holds its items") from None
    except (OSError, pa.ArrowException) as error:
        raise InputError(beside, f"not a readable Parquet file ({str(error).splitlines()[0]})") from None
    if missing := [name for name in SCHEMA.names if name not in table.column_names]:
        raise InputError(beside, f"has no column {missing[0]}; expected the items of {path.name}")
    # Items by task; those that the JSON does not name are left alone.
    result = ModelResult(path, about, {}, {}, {})
    for benchmark, of in about["benchmarks"].items():
        for maps in (result.items, result.ids, result.clean):
            maps[benchmark] = {}
        for task in of["tasks"]:
            chosen = pc.and_(pc.equal(table["benchmark"], benchmark), pc.equal(table["task"], task))
            _take_task(result, benchmark, task, table.filter(chosen), beside)
    return result


def _take_task(result: ModelResult, benchmark: str, task: str, rows: pa.Table, path: Path) -> None:
    expected = result.about["benchmarks"][benchmark]["tasks"][task]["items"]
    if rows.num_rows != expected:
        raise InputError(path, f"{rows.num_rows} items of {benchmark} {task}; {result.path.name} says {expected}")
    measure = rows["measure"][0].as_py() if rows.num_rows else None
    if measure not in STATISTICS:
        raise InputError(path, f"found the measure {measure!r}; expected one of {', '.join(STATISTICS)}")
    columns = {name: rows[name].to_numpy() for name in (*INTEGERS, *REALS) if rows[name].null_count < rows.num_rows}
    result.items[benchmark][task] = Items(measure, columns, rows["units"][0].as_py())
    result.ids[benchmark][task] = rows["id"].combine_chunks()
    if rows["clean"].null_count == 0:
        result.clean[benchmark][task] = rows["clean"].to_numpy(zero_copy_only=False).astype(np.bool_)
