"""Held-out pairs that are fit to measure with: unseen in training, no near copy of anything there, and one to one.

Of a held-out pair and a training pair that are (nearly) the same, the held-out one goes. The other way round a corpus of
templates ("Open page 17.") would lose, for a few held-out pages, all its training text; and a student that is to be used
should have learned from whatever there is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.config.prepare import HeldOut
from pipeline.ground.hashing import fraction, text_key
from pipeline.prepare.merging import SecondPass
from pipeline.prepare.near import NearHeldOut
from pipeline.prepare.rejects import Rejects
from pipeline.prepare.spill import Spill

SETS = {1: "dev", 2: "test"}

FIT, AMBIGUOUS, NEAR, SEEN = 0, 1, 2, 3
REASONS = {AMBIGUOUS: "heldout-ambiguous", NEAR: "heldout-near", SEEN: "heldout-seen"}
"""By flag; of several the largest is the reason."""

MOST = 0.5
"""If more than this share of the held-out pairs goes for near copies, a line says so."""


@dataclass
class NearAccount:
    """How many held-out pairs went because a near copy of a side stands in the training text.

    Attributes:
        near: the parameter ``heldout.near``, which says what was looked for.
        candidates: how many held-out pairs of each language pair have no side in the training text as it is.
        left_out: how many of those went.
    """

    near: str | float
    candidates: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The counts for the metrics."""
        return {"near": self.near, "candidates": self.candidates, "left_out": self.left_out}

    def lines(self) -> list[str]:
        """A line for each language pair that loses most of its held-out pairs."""
        return [
            f"prepare: {pair}: {count:,} of {self.candidates[pair]:,} held-out pairs have a near copy in the training text "
            "and are left out (heldout-near); prepare.heldout.near: 0 keeps them, and scores then say little of new text"
            for pair, count in sorted(self.left_out.items())
            if count > MOST * self.candidates[pair]
        ]


def _count(frame: pl.DataFrame, counts: dict[str, int]) -> None:
    """Add rows to counts by language pair."""
    for languages, rows in frame.group_by("languages").len().iter_rows():
        name = languages.replace(" ", "-")
        counts[name] = counts.get(name, 0) + rows


def unusable(second: SecondPass) -> NDArray[np.uint8]:
    """For each held-out row: fit, or which of `REASONS` it goes for.

    `SEEN`: a side stands in the training text of its language; `NEAR`: with its numbers masked it does; `AMBIGUOUS`: a side
    stands in more than one row of its set. Sides are compared by their normal forms. Holds one byte a held-out row, and one
    partition of sides at a time.
    """
    flags = np.zeros(second.heldout.rows, dtype=np.uint8)
    if not len(flags):
        return flags
    # Equal sides are in one partition. First: which held-out sides also stand in the training text?
    held_sides = Spill(second.folder / "held-sides", pl.col("h"), second.memory_bytes)
    for frame in second.sides.partitions():
        held = frame.filter(pl.col("row") >= 0)
        trained = frame.filter(pl.col("row") < 0).select("language", "h", "masked").unique()
        seen = held.join(trained, on=["language", "h", "masked"], how="semi")
        found = np.where(seen["masked"].to_numpy(), NEAR, SEEN).astype(np.uint8)
        np.maximum.at(flags, seen["row"].to_numpy(), found)
        held_sides.add(held.filter(~pl.col("masked")))
    # Then, among those that don't: which stand in several held-out pairs? This needs all flags of the first loop.
    for frame in held_sides.partitions():
        fit = frame.filter(pl.Series(flags[frame["row"].to_numpy()] <= AMBIGUOUS, dtype=pl.Boolean))
        several = fit.filter(pl.len().over("set", "languages", "side", "h") > 1)
        flags[several["row"].to_numpy()] = AMBIGUOUS
    return flags


def choose(second: SecondPass, config: HeldOut, rejects: Rejects) -> tuple[pl.DataFrame, NearAccount]:
    """The held-out pairs: at most ``limit`` of each set and language pair, those with the smallest ids.

    Adds the columns ``in_a`` and ``in_b``. Holds at most that many rows, and a batch.
    """
    flags, account = unusable(second), NearAccount(config.near)
    kept: pl.DataFrame | None = None
    for frame in second.heldout.frames():
        # Count and reject what isn't fit, then keep the smallest ids of what was seen so far.
        flag = pl.Series(flags[frame["row"].to_numpy()])
        _count(frame.filter(flag != SEEN), account.candidates)
        _count(frame.filter(flag == NEAR), account.left_out)
        for value, name in REASONS.items():
            detail = pl.lit("but for numbers" if value == NEAR else None, pl.String).alias("detail")
            rejects.add(frame.filter(flag == value).with_columns(pl.lit(name).alias("reason"), detail))
        frame = frame.filter(flag == FIT)
        kept = frame if kept is None else pl.concat([kept, frame])
        kept = kept.sort("languages", "set", "id")
        within = kept.select(pl.int_range(pl.len()).over("languages", "set") < config.limit).to_series()
        rejects.add(kept.filter(~within).with_columns(pl.lit("heldout-limit").alias("reason")))
        kept = kept.filter(within)
    if kept is None:
        return pl.DataFrame(), account
    return _orphans(kept, config.orphans), account


def sift_near(near: NearHeldOut, account: NearAccount, rejects: Rejects) -> pl.DataFrame:
    """The held-out pairs without those that are near to a training sentence, once all of these have been looked at."""
    kept, left_out = near.sifted()
    if left_out.height:
        rejects.add(left_out)
        _count(left_out, account.left_out)
    return kept


def _orphans(frame: pl.DataFrame, share: float) -> pl.DataFrame:
    """By a hash of the pair, ``share`` of the rows lose side b and as many others side a."""
    # The id's own first bits choose shards and the limit: a hash of it is independent of both.
    hashed = pl.Series(
        "orphan", [fraction(text_key(key.hex() + "/orphan")) for key in frame["id"].to_list()], pl.Float64
    )
    return frame.with_columns(
        (~hashed.is_between(share, 2 * share, closed="left")).alias("in_a"),
        (hashed >= share).alias("in_b"),
    )
