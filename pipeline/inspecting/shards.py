"""Arrow shards: what kind of table they hold, what made them, and samples in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts.shards import KEY_DTYPE, Shard, binary_view, fixed_list_view, open_shard
from pipeline.console.plain_text import clip
from pipeline.ground.hashing import Keys, locate
from pipeline.inspecting.surroundings import Surroundings, rows_with
from pipeline.inspecting.view import Table, View, ViewRequest, flatten, size_text, value_text

NOT_FOUND = "(not in the sentences here)"
SAMPLED_ROWS = 10_000
"""Rows whose numbers are looked at, at most, spread over the shards."""

NEIGHBORS = 12
"""Neighbours of a point that are shown; the rest are summed up."""

KINDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("held-out pairs", frozenset({"set", "a", "b", "in_a", "in_b"})),
    ("training pairs", frozenset({"a", "b", "corpus"})),
    ("text to embed", frozenset({"text", "to_mine"})),
    ("unique sentences", frozenset({"id", "text"})),
    ("token ids", frozenset({"id", "tokens"})),
    ("vectors", frozenset({"id", "vector"})),
    ("neighbourhoods", frozenset({"id", "neighbor", "weight"})),
)
"""What tables are called, by the columns that they have; the first that fits counts."""


def shard_kind(names: Sequence[str]) -> str:
    """What a table of these columns is called."""
    return next((kind for kind, columns in KINDS if columns <= set(names)), "table")


def shards_view(title: str, paths: Sequence[Path], around: Surroundings, wanted: ViewRequest) -> View:
    """Facts and samples of the shards of one folder (or one of them).

    Raises:
        ArtifactError: if one is damaged.
    """
    shards = [open_shard(path) for path in paths]
    first = shards[0]
    kind = shard_kind(first.table.column_names)
    folder = paths[0].parent.name
    rows = sum(map(len, shards))
    facts = [
        ("what", kind),
        ("rows", f"{rows:,}"),
        ("shards", f"{len(shards):,}"),
        ("size", size_text(sum(path.stat().st_size for path in paths))),
        ("columns", ", ".join(f"{field.name}: {field.type}" for field in first.table.schema)),
        *((f"made by: {name}", value_text(value)) for name, value in flatten(first.made_by)),
    ]
    if any(shard.made_by != first.made_by for shard in shards):
        facts.append(("note", "not all shards were made by the same; those of the first are shown"))
    more, tables = SAMPLES.get(kind, _any_table)(shards, folder, around, wanted)
    return View(title, (*facts, *more), tuple(tables))


Shown = tuple[list[tuple[str, str]], list[Table]]


def _texts(shards: Sequence[Shard], folder: str, around: Surroundings, wanted: ViewRequest) -> Shown:
    others = [name for name in shards[0].table.column_names if name not in {"id", "text"}]

    def cells(shard: Shard, row: int) -> tuple[str, ...]:
        return (clip(_cell(shard, "text", row)), *(_cell(shard, name, row) for name in others))

    matching = None if wanted.query is None else lambda shard: rows_with(shard, "text", wanted.query or "")
    return [], [_sample(shards, ("text", *others), cells, wanted, matching)]


def _pairs(shards: Sequence[Shard], folder: str, around: Surroundings, wanted: ViewRequest) -> Shown:
    made_for = shards[0].made_by.get("languages")
    languages = tuple(made_for) if made_for else around.split_pair(folder)
    others = [name for name in shards[0].table.column_names if name not in {"id", "a", "b"}]

    def cells(shard: Shard, row: int) -> tuple[str, ...]:
        sides = (_text(around, binary_view(shard.table.column(side))[row : row + 1], language)
                 for side, language in zip("ab", languages, strict=True))  # fmt: skip
        return (*sides, *(_cell(shard, name, row) for name in others))

    def matching(shard: Shard) -> NDArray[np.int64]:
        hits = np.zeros(len(shard), dtype=np.bool_)
        for side, keys in zip("ab", found, strict=True):
            hits |= locate(keys, binary_view(shard.table.column(side))) >= 0
        return np.flatnonzero(hits)

    found = [around.keys_with(wanted.query, language) for language in languages] if wanted.query is not None else []
    columns = (languages[0] or "a", languages[1] or "b", *others)
    return [], [_sample(shards, columns, cells, wanted, matching if wanted.query is not None else None)]


def _tokens(shards: Sequence[Shard], folder: str, around: Surroundings, wanted: ViewRequest) -> Shown:
    made_by = shards[0].made_by
    language = str(made_by.get("language", folder))
    tokenizer = around.tokenizer(str(made_by.get("for")))
    total = sum(len(shard.table.column("tokens").combine_chunks().values) for shard in shards if len(shard))

    def cells(shard: Shard, row: int) -> tuple[str, ...]:
        ids = shard.table.column("tokens")[row].as_py()
        shown = " ".join(map(str, ids)) if tokenizer is None else " ".join(
            f"{tokenizer.id_to_token(token)}·{token}" for token in ids
        )  # fmt: skip
        return str(len(ids)), clip(shown), _text(around, shard.keys[row : row + 1], language)

    rows = sum(map(len, shards))
    facts = [("tokens", f"{total:,} ({total / max(rows, 1):.1f} a sentence)")]
    return facts, [
        _sample(shards, ("length", "tokens", "text"), cells, wanted, _by_text(around, language, wanted), {"length"})
    ]


def _vectors(shards: Sequence[Shard], folder: str, around: Surroundings, wanted: ViewRequest) -> Shown:
    made_by = shards[0].made_by
    language = made_by.get("language", folder if folder in around.languages else None)
    sampled = np.concatenate([shard.vectors[: _share(shards)] for shard in shards]).astype(np.float32)
    finite = np.isfinite(sampled).all(axis=1)
    norms = np.linalg.norm(sampled[finite], axis=1)
    facts = [("dimension", str(sampled.shape[1]))]
    if norms.size:
        facts.append(
            ("norms", f"{norms.min():.4f} to {norms.max():.4f}, mean {norms.mean():.4f} ({norms.size:,} looked at)")
        )
    if not finite.all():
        facts.append(("not finite", f"{np.count_nonzero(~finite):,} of {finite.size:,} looked at"))

    def cells(shard: Shard, row: int) -> tuple[str, ...]:
        vector: NDArray[np.float32] = shard.vectors[row : row + 1].astype(np.float32)[0]
        start = " ".join(f"{value:+.3f}" for value in vector[:5])
        return f"{np.linalg.norm(vector):.4f}", f"{start} …", _text(around, shard.keys[row : row + 1], language)

    columns = ("norm", "vector", "text")
    return facts, [_sample(shards, columns, cells, wanted, _by_text(around, language, wanted), {"norm"})]


def _neighborhoods(shards: Sequence[Shard], folder: str, around: Surroundings, wanted: ViewRequest) -> Shown:
    made_by = shards[0].made_by
    pair = str(made_by.get("pair", folder))
    average = made_by.get("strategy") == "average"
    languages = around.split_pair(pair)
    weights = _floats(shards[0], "weight")
    width = weights.shape[1]
    sampled = np.concatenate([_floats(shard, "weight")[: _share(shards)].sum(axis=1) for shard in shards])
    mean = float(sampled.mean()) if sampled.size else 0.0
    facts = [
        ("neighbours of a point", str(width)),
        ("mean weight on neighbours", f"{mean:.4f} ({sampled.size:,} points looked at)"),
    ]

    def point_texts(keys: Keys) -> list[str]:
        if not average:
            return [NOT_FOUND if text is None else clip(text) for text in around.text_of(keys, languages[0])]
        sides = around.pair_sides(keys, pair)
        return [
            " ↔ ".join(_text(around, np.array([key], dtype=KEY_DTYPE), language)
                       for key, language in zip(sides[bytes(point)], languages, strict=True))
            if bytes(point) in sides else NOT_FOUND
            for point in keys
        ]  # fmt: skip

    def table(shard: Shard, row: int) -> Table:
        similarity, weight = _floats(shard, "similarity")[row], _floats(shard, "weight")[row]
        there = np.flatnonzero(np.isfinite(similarity))
        shown = there[:NEIGHBORS]
        neighbors = fixed_list_view(shard.table.column("neighbor"), KEY_DTYPE)[row][shown]
        texts = point_texts(np.concatenate([shard.keys[row : row + 1], neighbors]))
        own = f"{1 - float(weight.sum()):.4f}"
        rows = [(own, "1.0000", texts[0])]
        for place, text in zip(shown, texts[1:], strict=True):
            rows.append((f"{weight[place]:.4f}", f"{similarity[place]:.4f}", text))
        return Table(
            f"a point (first row) and its {len(there)} neighbours",
            ("weight", "similarity", "text"),
            tuple(rows),
            frozenset({"weight", "similarity"}),
            f"and {len(there) - len(shown)} more of weight {float(weight[there[len(shown) :]].sum()):.4f} together"
            if len(there) > len(shown)
            else "",
        )

    def matching(shard: Shard) -> NDArray[np.int64]:
        if not average:
            return np.flatnonzero(locate(found[0], shard.keys) >= 0)
        sides = around.pair_sides(shard.keys, pair)
        hits = {key for keys in found for key in keys.tolist()}
        points = shard.keys.tolist()
        rows = [row for row, key in enumerate(points) if any(side in hits for side in sides.get(key, ()))]
        return np.asarray(rows, dtype=np.int64)

    query = wanted.query
    found = [] if query is None else [around.keys_with(query, language) for language in languages]
    picked = list(_pick(shards, wanted.rows, None if query is None else matching))
    tables = [table(shard, row) for shard, row in picked]
    return facts, tables or [Table(_sample_title(wanted), ("weight", "similarity", "text"), ())]


def _any_table(shards: Sequence[Shard], folder: str, around: Surroundings, wanted: ViewRequest) -> Shown:
    names = tuple(shards[0].table.column_names)
    return [], [
        _sample(shards, names, lambda shard, row: tuple(_cell(shard, name, row) for name in names), wanted, None)
    ]


SAMPLES: dict[str, Callable[[Sequence[Shard], str, Surroundings, ViewRequest], Shown]] = {
    "held-out pairs": _pairs,
    "training pairs": _pairs,
    "text to embed": _texts,
    "unique sentences": _texts,
    "token ids": _tokens,
    "vectors": _vectors,
    "neighbourhoods": _neighborhoods,
}


def _pick(
    shards: Sequence[Shard], count: int, matching: Callable[[Shard], NDArray[np.int64]] | None
) -> Iterator[tuple[Shard, int]]:
    """The first rows (that match); keys are hashes, so the first are a random sample."""
    left = count
    for shard in shards:
        rows = np.arange(min(left, len(shard))) if matching is None else matching(shard)[:left]
        for row in rows:
            yield shard, int(row)
        left -= len(rows)
        if left <= 0:
            return


def _sample(
    shards: Sequence[Shard],
    columns: tuple[str, ...],
    cells: Callable[[Shard, int], tuple[str, ...]],
    wanted: ViewRequest,
    matching: Callable[[Shard], NDArray[np.int64]] | None,
    numeric: set[str] | None = None,
) -> Table:
    rows = tuple(cells(shard, row) for shard, row in _pick(shards, wanted.rows, matching))
    return Table(_sample_title(wanted), columns, rows, frozenset(numeric or ()))


def _sample_title(wanted: ViewRequest) -> str:
    return "samples" if wanted.query is None else f"rows with {clip(wanted.query, 80)!r}"


def _by_text(
    around: Surroundings, language: str | None, wanted: ViewRequest
) -> Callable[[Shard], NDArray[np.int64]] | None:
    if wanted.query is None:
        return None
    keys = around.keys_with(wanted.query, language)
    return lambda shard: np.flatnonzero(locate(keys, shard.keys) >= 0)


def _share(shards: Sequence[Shard]) -> int:
    return max(1, SAMPLED_ROWS // len(shards))


def _text(around: Surroundings, key: Keys, language: str | None) -> str:
    text = around.text_of(key, language)[0]
    return NOT_FOUND if text is None else clip(text)


def _floats(shard: Shard, column: str) -> NDArray[np.float32]:
    return fixed_list_view(shard.table.column(column), np.dtype(np.float32))


def _cell(shard: Shard, column: str, row: int) -> str:
    value: Any = shard.table.column(column)[row].as_py()
    if isinstance(value, bytes):
        return value.hex()
    if pa.types.is_integer(shard.table.schema.field(column).type):
        return str(value)  # a line number is no quantity: no thousands separators
    return clip(value) if isinstance(value, str) else clip(value_text(value))
