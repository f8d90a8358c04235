"""Arrow shards: what kind of table they hold, what made them, and samples in words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts.shards import Shard, binary_view, fixed_list_view, open_shard
from pipeline.console.plain_text import clip
from pipeline.ground.hashing import Keys, locate
from pipeline.inspecting.neighborhoods import Words, read_points
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
    facts = [
        ("what", kind),
        ("rows", f"{sum(map(len, shards)):,}"),
        ("shards", f"{len(shards):,}"),
        ("size", size_text(sum(path.stat().st_size for path in paths))),
        ("columns", ", ".join(f"{field.name}: {field.type}" for field in first.table.schema)),
        *((f"made by: {name}", value_text(value)) for name, value in flatten(first.made_by)),
    ]
    if any(shard.made_by != first.made_by for shard in shards):
        facts.append(("note", "not all shards were made by the same; those of the first are shown"))
    more, tables = SAMPLES.get(kind, _Looked.plain)(_Looked(shards, paths[0].parent.name, around, wanted))
    return View(title, (*facts, *more), tuple(tables))


Shown = tuple[list[tuple[str, str]], list[Table]]
Cells = Callable[[Shard, int], tuple[str, ...]]
Matching = Callable[[Shard], NDArray[np.int64]]


class _Looked:
    """Shards of one folder, what stands around them, and what is wanted of them; a method a kind gives facts and tables."""

    def __init__(self, shards: Sequence[Shard], folder: str, around: Surroundings, wanted: ViewRequest) -> None:
        self.shards, self.folder, self.around, self.wanted = shards, folder, around, wanted
        self.query, self.made_by = wanted.query, shards[0].made_by

    def plain(self) -> Shown:
        """Any table: its columns as they are."""
        names = tuple(self.shards[0].table.column_names)
        return [], [self._sample(names, lambda shard, row: tuple(_cell(shard, name, row) for name in names))]

    def texts(self) -> Shown:
        """Sentences, and what else is known of them; a query is looked for in the text."""
        others = [name for name in self.shards[0].table.column_names if name not in {"id", "text"}]
        query = self.query or ""
        return [], [
            self._sample(
                ("text", *others),
                lambda shard, row: tuple(_cell(shard, name, row) for name in ("text", *others)),
                lambda shard: rows_with(shard, "text", query),
            )
        ]

    def pairs(self) -> Shown:
        """Pairs of keys as both sentences; a query is looked for in either."""
        made_for = self.made_by.get("languages")
        languages = tuple(made_for) if made_for else self.around.split_pair(self.folder)
        others = [name for name in self.shards[0].table.column_names if name not in {"id", "a", "b"}]
        found = self._keys_with(languages)

        def cells(shard: Shard, row: int) -> tuple[str, ...]:
            keys = [binary_view(shard.table.column(side))[row : row + 1] for side in "ab"]
            sides = (self._text(key, language) for key, language in zip(keys, languages, strict=True))
            return (*sides, *(_cell(shard, name, row) for name in others))

        def matching(shard: Shard) -> NDArray[np.int64]:
            sides = zip("ab", found, strict=True)
            hits = [locate(keys, binary_view(shard.table.column(side))) >= 0 for side, keys in sides]
            return np.flatnonzero(np.any(hits, axis=0))

        return [], [self._sample((languages[0] or "a", languages[1] or "b", *others), cells, matching)]

    def tokens(self) -> Shown:
        """Token ids, as pieces where the tokenizer is there."""
        language = str(self.made_by.get("language", self.folder))
        tokenizer = self.around.tokenizer(str(self.made_by.get("for")))
        total = sum(len(shard.table.column("tokens").combine_chunks().values) for shard in self.shards if len(shard))

        def cells(shard: Shard, row: int) -> tuple[str, ...]:
            ids = shard.table.column("tokens")[row].as_py()
            shown = [str(token) if tokenizer is None else f"{tokenizer.id_to_token(token)}·{token}" for token in ids]
            return str(len(ids)), clip(" ".join(shown)), self._text(shard.keys[row : row + 1], language)

        mean = total / max(sum(map(len, self.shards)), 1)
        sample = self._sample(("length", "tokens", "text"), cells, self._by_text(language), {"length"})
        return [("tokens", f"{total:,} ({mean:.1f} a sentence)")], [sample]

    def vectors(self) -> Shown:
        """Vectors: their norms, whether they are finite, and how some begin."""
        language = self.made_by.get("language", self.folder if self.folder in self.around.languages else None)
        sampled = np.concatenate([shard.vectors[: self._share] for shard in self.shards]).astype(np.float32)
        finite = np.isfinite(sampled).all(axis=1)
        norms = np.linalg.norm(sampled[finite], axis=1)
        facts = [("dimension", str(sampled.shape[1]))]
        if norms.size:
            span = f"{norms.min():.4f} to {norms.max():.4f}, mean {norms.mean():.4f}"
            facts.append(("norms", f"{span} ({norms.size:,} looked at)"))
        if not finite.all():
            facts.append(("not finite", f"{np.count_nonzero(~finite):,} of {finite.size:,} looked at"))

        def cells(shard: Shard, row: int) -> tuple[str, ...]:
            vector: NDArray[np.float32] = shard.vectors[row : row + 1].astype(np.float32)[0]
            start = " ".join(f"{value:+.3f}" for value in vector[:5])
            return f"{np.linalg.norm(vector):.4f}", f"{start} …", self._text(shard.keys[row : row + 1], language)

        return facts, [self._sample(("norm", "vector", "text"), cells, self._by_text(language), {"norm"})]

    def neighborhoods(self) -> Shown:
        """A table for each of some label points: its nearest, with the weights of the soft label."""
        pair, average = str(self.made_by.get("pair", self.folder)), self.made_by.get("strategy") == "average"
        languages = self.around.split_pair(pair)
        sampled = np.concatenate([_floats(shard, "weight")[: self._share].sum(axis=1) for shard in self.shards])
        mean = float(sampled.mean()) if sampled.size else 0.0
        facts = [
            ("neighbours of a point", str(_floats(self.shards[0], "weight").shape[1])),
            ("mean weight on neighbours", f"{mean:.4f} ({sampled.size:,} points looked at)"),
        ]
        found = self._keys_with(languages)

        words = Words(self.around, pair, languages, average, " ↔ ", NOT_FOUND)

        def table(shard: Shard, row: int) -> Table:
            (point,) = read_points(shard, np.array([row]), words, NEIGHBORS)
            rows = [(f"{point.own:.4f}", "1.0000", clip(point.text))]
            rows += [(f"{one.weight:.4f}", f"{one.similarity:.4f}", clip(one.text)) for one in point.neighbors]
            note = f"and {point.more} more of weight {point.more_weight:.4f} together" if point.more else ""
            title = f"a point (first row) and its {len(point.neighbors) + point.more} neighbours"
            return Table(title, columns, tuple(rows), frozenset(columns[:2]), note)

        def matching(shard: Shard) -> NDArray[np.int64]:
            if not average:
                return np.flatnonzero(locate(found[0], shard.keys) >= 0)
            sides = self.around.pair_sides(shard.keys, pair)
            hits = {key for keys in found for key in keys.tolist()}
            points = enumerate(shard.keys.tolist())
            return np.array([row for row, key in points if hits & set(sides.get(key, ()))], dtype=np.int64)

        columns = ("weight", "similarity", "text")
        tables = [table(shard, row) for shard, row in self._pick(matching)]
        return facts, tables or [Table(self._title, columns, ())]

    @property
    def _title(self) -> str:
        return "samples" if self.query is None else f"rows with {clip(self.query, 80)!r}"

    @cached_property
    def _share(self) -> int:
        return max(1, SAMPLED_ROWS // len(self.shards))

    def _keys_with(self, languages: Sequence[str | None]) -> list[Keys]:
        """For each language the keys of texts that hold the query; none without one."""
        return [] if self.query is None else [self.around.keys_with(self.query, language) for language in languages]

    def _by_text(self, language: str | None) -> Matching:
        found = self._keys_with([language])
        return lambda shard: np.flatnonzero(locate(found[0], shard.keys) >= 0)

    def _text(self, key: Keys, language: str | None) -> str:
        text = self.around.text_of(key, language)[0]
        return NOT_FOUND if text is None else clip(text)

    def _sample(
        self, columns: tuple[str, ...], cells: Cells, matching: Matching | None = None, numeric: Collection[str] = ()
    ) -> Table:
        rows = tuple(cells(shard, row) for shard, row in self._pick(matching))
        return Table(self._title, columns, rows, frozenset(numeric))

    def _pick(self, matching: Matching | None) -> Iterator[tuple[Shard, int]]:
        """The first rows, or the first that match the query; keys are hashes, so the first are a random sample."""
        left = self.wanted.rows
        for shard in self.shards:
            rows = (
                np.arange(min(left, len(shard))) if matching is None or self.query is None else matching(shard)[:left]
            )
            yield from ((shard, int(row)) for row in rows)
            left -= len(rows)
            if left <= 0:
                return


SAMPLES: dict[str, Callable[[_Looked], Shown]] = {
    "held-out pairs": _Looked.pairs,
    "training pairs": _Looked.pairs,
    "text to embed": _Looked.texts,
    "unique sentences": _Looked.texts,
    "token ids": _Looked.tokens,
    "vectors": _Looked.vectors,
    "neighbourhoods": _Looked.neighborhoods,
}


def _floats(shard: Shard, column: str) -> NDArray[np.float32]:
    return fixed_list_view(shard.table.column(column), np.dtype(np.float32))


def _cell(shard: Shard, column: str, row: int) -> str:
    value: Any = shard.table.column(column)[row].as_py()
    if isinstance(value, bytes):
        return value.hex()
    if pa.types.is_integer(shard.table.schema.field(column).type):
        return str(value)  # a line number is no quantity: no thousands separators
    return clip(value) if isinstance(value, str) else clip(value_text(value))
