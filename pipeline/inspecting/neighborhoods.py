"""Neighbourhoods in words: label points, their nearest over the whole corpus, and what the soft labels give each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.shards import KEY_DTYPE, Shard, fixed_list_view, iterate_shards
from pipeline.ground.hashing import Keys
from pipeline.ground.languages import LanguagePair
from pipeline.inspecting.surroundings import Surroundings

NEIGHBORS = 5
"""Neighbours of a sentence that the report shows."""


@dataclass(frozen=True)
class Neighbor:
    """A neighbour of a label point."""

    text: str  # its sentence, or both of a pair
    similarity: float  # the teacher's cosine
    weight: float  # its weight in the soft label, at the temperature of the neighbourhoods


@dataclass(frozen=True)
class Neighborhood:
    """A label point and its nearest."""

    text: str  # its sentence, or both of a pair
    own: float  # the weight that is left for the point itself
    neighbors: tuple[Neighbor, ...]  # those that were asked for, the nearest first
    more: int  # how many there are besides
    more_weight: float  # the weight of these together


@dataclass(frozen=True)
class Words:
    """How keys of label points become text."""

    around: Surroundings  # where the texts are
    pair: str  # the language pair's name
    languages: tuple[str | None, str | None]  # the pair's languages, None where they can't be told
    average: bool  # whether a label point is a pair and not a sentence
    between: str = " · "  # what stands between a pair's sentences
    unknown: str = "?"  # what stands for a sentence that isn't found

    def of(self, keys: Keys) -> list[str]:
        """The text of each label point [n]."""
        if not self.average:
            return [self.unknown if text is None else text for text in self.around.text_of(keys, self.languages[0])]
        sides, texts = self.around.pair_sides(keys, self.pair), []
        for point in map(bytes, keys):
            both = zip(sides.get(point, ()), self.languages, strict=False)
            found = [self.around.text_of(np.array([key], dtype=KEY_DTYPE), language)[0] for key, language in both]
            texts.append(self.between.join(text or self.unknown for text in found) or self.unknown)
        return texts


def read_points(shard: Shard, rows: NDArray[np.int64], words: Words, most: int) -> list[Neighborhood]:
    """Some rows of a shard of ``id``, ``neighbor``, ``similarity``, ``weight``, with ``most`` neighbours each."""
    keys = fixed_list_view(shard.table.column("neighbor"), KEY_DTYPE)[rows]
    similarity, weight = (
        fixed_list_view(shard.table.column(name), np.dtype(np.float32))[rows] for name in ("similarity", "weight")
    )
    points, found = shard.keys[rows], []
    for place, point in enumerate(points):
        there = np.flatnonzero(np.isfinite(similarity[place]))
        shown, rest = there[:most], there[most:]
        own, *texts = words.of(np.concatenate([[point], keys[place][shown]]).astype(KEY_DTYPE))
        given = zip(texts, similarity[place][shown].tolist(), weight[place][shown].tolist(), strict=True)
        neighbors = tuple(Neighbor(text, cosine, share) for text, cosine, share in given)
        left = 1 - float(weight[place].sum())
        found.append(Neighborhood(own, left, neighbors, len(rest), float(weight[place][rest].sum())))
    return found


def read_neighborhoods(folder: Path, pair: LanguagePair, around: Surroundings, count: int) -> list[Neighborhood]:
    """Some neighbourhoods of one language pair, as far apart in the order of keys as can be; memory-mapped.

    None are shown if the folder is not there.

    Raises:
        ArtifactError: if a shard is damaged.
    """
    shard = next(iterate_shards(folder)) if folder.is_dir() else None
    if shard is None or len(shard) == 0:
        return []
    rows = np.unique(np.linspace(0, len(shard) - 1, count).astype(np.int64))
    words = Words(around, pair.name, (pair.a, pair.b), shard.made_by.get("strategy") == "average")
    return read_points(shard, rows, words, NEIGHBORS)
