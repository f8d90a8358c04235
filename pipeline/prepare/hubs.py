"""Sentences that stand opposite very many different ones: fillers, mostly, that were taken for translations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.prepare.spill import Spill

FEWEST = 10
"""Different counterparts that make a hub; in larger corpora a hundredth of the pairs, or if less their root."""

KEPT = 100
"""Hubs that are remembered, those with the most counterparts."""

SHOWN = 3
"""Hubs of a language pair that are named."""

GROUP = ["languages", "side", "h"]
COUNTS = pl.Schema({"languages": pl.String, "side": pl.String, "h": pl.UInt64, "count": pl.Int64, "k": pl.Binary})


@dataclass(frozen=True)
class Hub:
    """A sentence with many counterparts.

    Attributes:
        languages: the two languages, joined by a space.
        side: ``a`` or ``b``.
        key: the text's key, as `pipeline.artifacts.keys.text_keys` gives it.
        count: how many different counterparts it has.
    """

    languages: str
    side: str
    key: bytes
    count: int

    @property
    def language(self) -> str:
        """The sentence's language."""
        return self.languages.split(" ")[0 if self.side == "a" else 1]


class CountedSides(Spill):
    """The sides of unique pairs, partitioned by a hash of their text; counts how often each stands while it is read.

    Equal sides are in one partition, so the counts are exact; as pairs are unique, they are counts of counterparts.
    """

    def __init__(self, folder: Path, memory_bytes: int) -> None:
        super().__init__(folder, pl.col("h"), memory_bytes)
        self._most = pl.DataFrame(schema=COUNTS)
        self._counted = False

    def partitions(self) -> Iterator[pl.DataFrame]:
        """See `Spill`."""
        self._counted = True
        for frame in super().partitions():
            self._count(frame)
            yield frame

    def _count(self, frame: pl.DataFrame) -> None:
        # With its numbers masked a sentence stands there once more: that says nothing of its counterparts.
        counts = frame.filter(~pl.col("masked")).group_by(GROUP).agg(pl.len().alias("count"), pl.col("k").min())
        counts = counts.filter(pl.col("count") >= FEWEST).select(COUNTS.names()).cast(COUNTS)
        self._most = pl.concat([self._most, counts]).sort("count", *GROUP, descending=True).head(KEPT)

    def hubs(self, pairs: dict[str, int]) -> list[Hub]:
        """The hubs of each language pair, those with the most counterparts first; at most `SHOWN` of each.

        ``pairs``: how many training pairs each language pair has, by its name.
        """
        if not self._counted:
            for _ in self.partitions():
                pass
        found: list[Hub] = []
        for languages, side, count, key in self._most.select("languages", "side", "count", "k").iter_rows():
            total = pairs.get(languages.replace(" ", "-"), 0)
            fewest = max(FEWEST, min(total / 100, math.sqrt(total)))
            if count >= fewest and sum(hub.languages == languages for hub in found) < SHOWN:
                found.append(Hub(languages, side, key, count))
        return found
