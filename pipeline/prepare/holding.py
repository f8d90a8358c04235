"""Held-out pairs that are fit to measure with: unseen in training, and one to one."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.config.prepare import HeldOut
from pipeline.ground.hashing import fraction, text_key
from pipeline.prepare.merging import SecondPass
from pipeline.prepare.rejects import Rejects
from pipeline.prepare.spill import Spill

SETS = {1: "dev", 2: "test"}


def unusable(second: SecondPass) -> NDArray[np.uint8]:
    """For each held-out row: 0 fit, 1 a side stands in the training text, 2 a side stands in more than one row of its set.

    Sides are compared by their normal forms. Holds one byte a held-out row, and one partition of sides at a time.
    """
    flags = np.zeros(second.heldout.rows, dtype=np.uint8)
    if not len(flags):
        return flags
    held_sides = Spill(second.folder / "held-sides", pl.col("h"), second.memory_bytes)
    for frame in second.sides.partitions():
        held = frame.filter(pl.col("row") >= 0)
        trained = frame.filter(pl.col("row") < 0).select("language", "h").unique()
        seen = held.join(trained, on=["language", "h"], how="semi")
        flags[seen["row"].to_numpy()] = 1
        held_sides.add(held)
    for frame in held_sides.partitions():
        fit = frame.filter(pl.Series(flags[frame["row"].to_numpy()] != 1, dtype=pl.Boolean))
        several = fit.filter(pl.len().over("set", "languages", "side", "h") > 1)
        flags[several["row"].to_numpy()] = 2
    return flags


def choose(second: SecondPass, config: HeldOut, rejects: Rejects) -> pl.DataFrame:
    """The held-out pairs: at most ``limit`` of each set and language pair, those with the smallest ids.

    Adds the columns ``in_a`` and ``in_b``. Holds at most that many rows, and a batch.
    """
    flags = unusable(second)
    kept: pl.DataFrame | None = None
    for frame in second.heldout.frames():
        flag = pl.Series(flags[frame["row"].to_numpy()])
        reason = {1: "heldout-seen", 2: "heldout-ambiguous"}
        for value, name in reason.items():
            rejects.add(frame.filter(flag == value).with_columns(pl.lit(name).alias("reason")))
        frame = frame.filter(flag == 0)
        kept = frame if kept is None else pl.concat([kept, frame])
        kept = kept.sort("languages", "set", "id")
        within = kept.select(pl.int_range(pl.len()).over("languages", "set") < config.limit).to_series()
        rejects.add(kept.filter(~within).with_columns(pl.lit("heldout-limit").alias("reason")))
        kept = kept.filter(within)
    if kept is None:
        return pl.DataFrame()
    return _orphans(kept, config.orphans)


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
