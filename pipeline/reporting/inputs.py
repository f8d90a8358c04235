"""What the report is made from, read from metrics, series and mined pairs."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.artifacts.parquet import read_made_by
from pipeline.artifacts.parquet_rows import ROW, extreme_rows, fetch, scan
from pipeline.console.errors import ArtifactError
from pipeline.ground.languages import LanguagePair
from pipeline.inspecting.neighborhoods import Neighborhood
from pipeline.mining.judging.threshold import bootstrap
from pipeline.reporting.costs import RunCost
from pipeline.reporting.judged_precision import PeoplesJudgements
from pipeline.reporting.models import ModelScores
from pipeline.reporting.space import Space

BINS = 48
"""Bars of a histogram of scores."""

SHOWN_SHARE = 0.995
"""The share of scores inside a histogram; the few above it stand in its last bar."""

SIDES = ("text_a", "text_b", "corpus_a", "file_a", "line_a", "corpus_b", "file_b", "line_b")


@dataclass(frozen=True)
class Series:
    """A measure by training step."""

    name: str  # what was measured
    steps: tuple[int, ...]  # [n]
    values: tuple[float, ...]  # [n]


@dataclass(frozen=True)
class ScoreHistogram:
    """Scores of candidates."""

    edges: tuple[float, ...]  # edges of the bars [n + 1]
    true: tuple[int, ...]  # known translations in each bar [n]
    false: tuple[int, ...]  # candidates that are not known to be translations [n]
    judged: bool  # whether they were looked up among known translations; if not, all are in ``false``


@dataclass(frozen=True)
class PairSample:
    """A mined pair."""

    score: float  # the pair's score
    gold: bool | None  # whether it is a known translation; None if that isn't known
    text_a: str  # first side
    text_b: str  # second side
    place_a: str  # where the first side stands
    place_b: str  # where the second side stands


@dataclass(frozen=True)
class MinedPair:
    """What was mined of one language pair."""

    pair: str  # the language pair's name
    metrics: Mapping[str, Any]  # what stage mine measured
    made_by: Mapping[str, Any]  # the file's metadata
    shown: str  # the set that samples come from: ``mine`` (the user's text), ``test`` or ``dev``
    # of the test candidates, or of ``shown`` where nothing is held out; None without candidates
    histogram: ScoreHistogram | None
    samples: Mapping[str, Sequence[PairSample]]  # pairs by kind, such as ``best``
    threshold_interval: tuple[float, float] | None = None  # 95 %, where it was tuned

    @property
    def threshold(self) -> float | None:
        """The threshold; None where none was tuned or given."""
        value = self.made_by.get("threshold")
        return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class ReportInputs:
    """Everything in the report."""

    title: str  # the report's heading
    pairs: Sequence[LanguagePair]  # language pairs in the project's order
    params: Mapping[str, Any]  # the parameters that are shown, by section
    prepare: Mapping[str, Any]  # metrics of the stage
    train: Mapping[str, Any]  # metrics of the stage
    evaluate: Mapping[str, Any]  # metrics of the stage, held-out documents in full
    series: Sequence[Series] = ()  # what training logged, by step
    mined: Sequence[MinedPair] = field(default=())  # by language pair
    tokenize: Mapping[str, Any] = field(default_factory=dict)  # metrics of the stage
    models: ModelScores | None = None  # the student and its peers on benchmarks
    space: Space = field(default_factory=Space)  # what held-out sentences say of the student's space
    neighborhoods: Sequence[Neighborhood] = ()  # some of the first language pair that has any
    costs: Sequence[RunCost] = ()  # what each stage took
    # what people's judgements say of the mined pairs
    judged: PeoplesJudgements = field(default_factory=PeoplesJudgements)
    # what lies in the project and is not in the report, as params.yaml names it no more; empty if nothing
    left_over: str = ""


def read_metrics(path: Path) -> dict[str, Any]:
    """A stage's metrics.

    Raises:
        ArtifactError: if they are missing or not JSON.
    """
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(path, "missing; run the stage that writes it") from None
    except ValueError as error:
        raise ArtifactError(path, f"not JSON ({error})") from None
    if not isinstance(loaded, dict):
        raise ArtifactError(path, f"found {type(loaded).__name__}, expected an object of metrics")
    return loaded


def read_series(folder: Path) -> list[Series]:
    """The series that training logged (DVCLive's TSV files), by name; none where the folder is empty.

    Raises:
        ArtifactError: if one isn't a series.
    """
    root = folder / "plots" / "metrics"
    series = []
    for path in sorted(root.rglob("*.tsv")):
        name = path.relative_to(root).with_suffix("").as_posix()
        with path.open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened, dialect="excel-tab"))
        try:
            steps = tuple(int(row["step"]) for row in rows)
            values = tuple(
                float(next(value for key, value in row.items() if key not in {"step", "timestamp"})) for row in rows
            )
        except (KeyError, ValueError, TypeError, StopIteration):
            raise ArtifactError(path, "not a series; expected the column step and one of numbers") from None
        series.append(Series(name, steps, values))
    return series


def read_mined(
    pair: str, path: Path, metrics: Mapping[str, Any], samples: int, resamples: int = 0, seed: int = 0
) -> MinedPair:
    """Histogram and samples of one language pair's mined pairs.

    Holds the scores of one set in memory (about 20 bytes a candidate) and the text of the samples.

    Args:
        pair: the language pair's name.
        path: the Parquet file.
        metrics: what stage mine measured.
        samples: how many samples of each kind are taken.
        resamples: how many resamples give the threshold's interval; 0: none.
        seed: what the resamples' generator starts from.

    Raises:
        ArtifactError: if the file is missing or damaged.
    """
    made_by = read_made_by(path, {"kind": "mined", "pair": pair})
    shown = str(metrics.get("mined", {}).get("set", "test"))
    frame = scan(path)
    # The histogram is of the test set, where there is one; samples are of what the user mined.
    sets = set(frame.select(pl.col("set").unique()).collect()["set"])
    measured = "test" if "test" in sets else shown
    measures = pl.col(ROW, "score", "accepted", "gold")
    scores = frame.filter(pl.col("set") == measured).select(measures).collect()
    candidates = scores if shown == measured else frame.filter(pl.col("set") == shown).select(measures).collect()
    threshold = made_by.get("threshold")
    return MinedPair(
        pair=pair,
        metrics=metrics,
        made_by=made_by,
        shown=shown,
        histogram=make_histogram(scores["score"].to_numpy(), _flags(scores["gold"]), threshold),
        samples=_samples(path, candidates, samples, threshold is not None),
        threshold_interval=threshold_interval(path, made_by, metrics, resamples, seed),
    )


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


def make_histogram(
    scores: NDArray[Any], gold: NDArray[np.bool_] | None, threshold: float | None
) -> ScoreHistogram | None:
    """Count scores [n] in `BINS` bars of equal width, one edge of which is the threshold if it is inside.

    Args:
        scores: the candidates' scores [n], finite or not.
        gold: whether each is a known translation [n]; None if nothing is known.
        threshold: the least score that is accepted.
    """
    finite = np.isfinite(scores)
    values = scores[finite].astype(np.float64)
    if len(values) == 0:
        return None
    # Bars of equal width, moved so that the threshold is an edge.
    low, high = float(values.min()), float(np.quantile(values, SHOWN_SHARE))
    width = max(high - low, 1e-6) / BINS
    if threshold is not None and low < threshold < high:
        low = threshold - width * np.ceil((threshold - low) / width)
        high = threshold + width * np.ceil((high - threshold) / width)
    bars = max(1, round((high - low) / width))
    edges = low + width * np.arange(bars + 1)
    inside = np.clip(values, edges[0], edges[-1])
    flags = np.zeros(len(values), dtype=np.bool_) if gold is None else gold[finite]
    true, _ = np.histogram(inside[flags], edges)
    false, _ = np.histogram(inside[~flags], edges)
    return ScoreHistogram(
        tuple(float(edge) for edge in edges), tuple(map(int, true)), tuple(map(int, false)), judged=gold is not None
    )


def _flags(gold: pl.Series) -> NDArray[np.bool_] | None:
    return None if gold.is_null().all() else gold.fill_null(False).to_numpy().astype(np.bool_)


def _samples(path: Path, candidates: pl.DataFrame, count: int, judged: bool) -> dict[str, list[PairSample]]:
    """Samples by kind, best first; without a threshold (``judged`` is false) nothing is accepted or rejected."""
    if judged:
        accepted, rejected = candidates.filter(pl.col("accepted")), candidates.filter(~pl.col("accepted"))
        wrong = accepted.filter(pl.col("gold").eq_missing(False))
        rows = {
            "best": extreme_rows(accepted, "score", count, descending=True),
            "last accepted": extreme_rows(accepted, "score", count, descending=False)[::-1],
            "first rejected": extreme_rows(rejected, "score", count, descending=True),
            "accepted, but not the known translation": extreme_rows(wrong, "score", count, descending=True),
        }
    else:
        rows = {
            "best": extreme_rows(candidates, "score", count, descending=True),
            "worst": extreme_rows(candidates, "score", count, descending=False)[::-1],
        }
    found = fetch(path, [row for picked in rows.values() for row in picked], ["score", "gold", *SIDES])
    samples = iter([_sample(row) for row in found.iter_rows(named=True)])
    return {kind: list(islice(samples, len(picked))) for kind, picked in rows.items() if picked}


def _sample(row: Mapping[str, Any]) -> PairSample:
    return PairSample(row["score"], row["gold"], row["text_a"], row["text_b"], _place(row, "a"), _place(row, "b"))


def _place(row: Mapping[str, Any], side: str) -> str:
    return f"{row[f'corpus_{side}']} · {row[f'file_{side}']}:{row[f'line_{side}']}"
