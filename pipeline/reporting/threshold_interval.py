"""How sure a tuned threshold is: its interval over resamples of the dev documents that tuned it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.artifacts.parquet_rows import scan
from pipeline.mining.judging.threshold import bootstrap


def threshold_interval(
    path: Path, made_by: Mapping[str, Any], metrics: Mapping[str, Any], resamples: int, seed: int
) -> tuple[float, float] | None:
    """The 95 % bootstrap interval of a threshold; None if none was tuned.

    Holds the dev candidates' scores in memory.

    Args:
        path: the file of mined pairs, the dev set among them.
        made_by: the file's metadata.
        metrics: what stage mine measured.
        resamples: how many resamples the bootstrap draws; 0: no interval.
        seed: what the bootstrap's generator starts from.
    """
    given = made_by.get("options", {}).get("threshold") is not None
    gold = int(metrics.get("dev", {}).get("gold", 0))
    if given or made_by.get("threshold") is None or not gold or not resamples:
        return None
    dev = scan(path).filter(pl.col("set") == "dev").select("score", "gold").collect()
    scores = dev["score"].to_numpy().astype(np.float64)
    if len(scores) == 0 or dev["gold"].is_null().any() or not np.isfinite(scores).all():
        return None
    found = bootstrap(scores, dev["gold"].to_numpy().astype(np.bool_), gold, resamples, seed).threshold
    return (found.low, found.high) if np.isfinite([found.low, found.high]).all() else None
