"""Neighbourhoods in words: a few sentences, their nearest over the whole corpus, and what the soft labels give each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts.shards import Shard, fixed_list_view, iterate_shards
from pipeline.ground.hashing import KEY_BYTES, Keys
from pipeline.ground.languages import LanguagePair
from pipeline.inspecting.surroundings import Surroundings

NEIGHBORS = 5
"""Neighbours shown of each sentence."""


@dataclass(frozen=True)
class Neighbor:
    """A neighbour."""

    text: str  # its sentence; of a pair, both
    similarity: float  # the teacher's cosine
    weight: float  # its weight in the soft label, at the temperature of the neighbourhoods


@dataclass(frozen=True)
class Neighborhood:
    """A label point and its nearest."""

    text: str  # its sentence; of a pair, both
    own: float  # what is left for the point itself
    neighbors: tuple[Neighbor, ...]  # the nearest first


def read_neighborhoods(folder: Path, pair: LanguagePair, surroundings: Surroundings, count: int) -> list[Neighborhood]:
    """Some neighbourhoods of one language pair, as far apart in the order of keys as can be; memory-mapped.

    Args:
        folder: the folder of shards of ``id``, ``neighbor``, ``similarity``, ``weight``; none are shown if it is not there.
        pair: the pair's languages.
        surroundings: where the sentences' texts are.
        count: how many neighbourhoods are read.

    Raises:
        ArtifactError: if a shard is damaged.
    """
    shard = next(iterate_shards(folder)) if folder.is_dir() else None
    if shard is None or len(shard) == 0:
        return []
    rows = np.unique(np.linspace(0, len(shard) - 1, count).astype(np.int64))
    return _read(shard, rows, pair, surroundings)


def _read(shard: Shard, rows: Any, pair: LanguagePair, surroundings: Surroundings) -> list[Neighborhood]:
    table = shard.table
    keys = fixed_list_view(table.column("neighbor"), np.dtype(f"S{KEY_BYTES}"))[rows]
    similarity, weight = (
        fixed_list_view(table.column(c), np.dtype(np.float32))[rows] for c in ("similarity", "weight")
    )
    shown = keys[:, :NEIGHBORS]
    points = shard.keys[rows]
    words = _words(np.unique(np.concatenate([points, shown.ravel()])), shard.made_by, pair, surroundings)
    found = []
    for row, point in enumerate(points):
        neighbors = tuple(
            Neighbor(words.get(bytes(key), "?"), float(cosine), float(given))
            for key, cosine, given in zip(shown[row], similarity[row], weight[row], strict=False)
            if given > 0
        )
        found.append(Neighborhood(words.get(bytes(point), "?"), float(1 - weight[row].sum()), neighbors))
    return found


def _words(keys: Keys, made_by: Mapping[str, Any], pair: LanguagePair, surroundings: Surroundings) -> dict[bytes, str]:
    if made_by.get("strategy") != "average":
        texts = surroundings.text_of(keys, pair.a)
        return {bytes(key): text for key, text in zip(keys, texts, strict=True) if text is not None}
    sides = surroundings.pair_sides(keys, pair.name)
    found = {}
    for key, (a, b) in sides.items():
        both = [surroundings.text_of(np.array([side], dtype=f"S{KEY_BYTES}"), language)[0]
                for side, language in ((a, pair.a), (b, pair.b))]  # fmt: skip
        found[key] = " · ".join(text or "?" for text in both)
    return found
