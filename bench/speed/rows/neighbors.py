"""Rows of neighbourhoods: label vectors of real sentences, k = 64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from speed.rows.base import Bar, Measured, Row, Run, faster, race
from speed.rows.encoding import PAIRS
from speed.rows.training import cheap_teacher
from speed.text import read_sentences
from speed.turns import Contestant, Outputs, Ratio

K = 64
TOLERANCE = 1e-4
"""Cosines that differ by less are the same; both sides compute in float32."""


def _write_vectors(run: Run, points: int) -> None:
    """Vectors of different real sentences, all languages, as the cheap static teacher gives them."""
    from pathlib import Path

    from pipeline.encoders.load import EncoderSettings, load_encoder
    from pipeline.encoders.resolve import resolve_model

    texts = sorted({text for side in (0, 1) for text in read_sentences(run.text, PAIRS, side)})
    order = np.random.default_rng(0).permutation(len(texts))
    source = resolve_model("teacher", str(cheap_teacher(run.folder / "teacher")), None, Path())
    encoder = load_encoder(source, EncoderSettings(batch_tokens=65_536))
    parts, found = [], 0
    for start in range(0, len(order), 50_000):
        vectors = encoder.encode_tokens(encoder.tokenize([texts[row] for row in order[start : start + 50_000]]))
        parts.append(vectors[vectors.any(axis=1)].astype(np.float16))
        if (found := found + len(parts[-1])) >= points:
            break
    # Sentences of the same words have the same vector; a label point is there once.
    unique = np.unique(np.concatenate(parts), axis=0)
    if len(unique) < points:
        noise = np.random.default_rng(1).standard_normal((points - len(unique), unique.shape[1]), dtype=np.float32)
        copies = unique[np.random.default_rng(2).integers(0, len(unique), len(noise))]
        unique = np.concatenate([unique, (copies + 0.02 * noise).astype(np.float16)])
    np.save(run.folder / "vectors.npy", unique[np.random.default_rng(3).permutation(len(unique))[:points]])


def recall(exact: Any, found: Any) -> float:
    """The share of true neighbours [n, k] for which the search found one at least as near as the k-th."""
    kth = exact.min(axis=1, keepdims=True)
    return float((found >= kth - TOLERANCE).sum() / exact.size)


def _same(outputs: Outputs, ours: str, theirs: str) -> dict[str, Any]:
    """Both exact searches found equally near neighbours.

    Raises:
        AssertionError: if a similarity differs by more than `TOLERANCE`.
    """
    one, other = (outputs[name]["similarity"] for name in (ours, theirs))
    worst = float(np.abs(one - other).max())
    if worst > TOLERANCE:
        raise AssertionError(f"similarities of {ours} and {theirs} differ by {worst}")
    return {
        "similarities differ by at most": worst,
        "same rows": round(float((outputs[ours]["row"] == outputs[theirs]["row"]).mean()), 6),
    }


def _exact(run: Run, sizes: Mapping[str, Any]) -> Measured:
    _write_vectors(run, sizes["points"])
    options = {"points": sizes["points"], "k": K}
    contestants = [
        Contestant("softalign", "speed.contestants.neighbors:softalign_exact", options),
        Contestant("faiss.knn", "speed.contestants.neighbors:faiss_knn", options),
    ]
    spent, agreement = race(run, contestants, lambda outputs: _same(outputs, "softalign", "faiss.knn"))
    return Measured(spent, agreement, [faster("times as fast as faiss.knn", spent, "softalign", "faiss.knn", 1.0)])


def _slice(run: Run, sizes: Mapping[str, Any]) -> Measured:
    _write_vectors(run, sizes["points"])
    options = {"points": sizes["points"], "queries": sizes["queries"], "k": K}
    contestants = [
        Contestant("softalign", "speed.contestants.neighbors:softalign_slice", options),
        Contestant("faiss.knn", "speed.contestants.neighbors:faiss_knn", options),
    ]
    spent, agreement = race(run, contestants, lambda outputs: _same(outputs, "softalign", "faiss.knn"))
    bar = faster("times as fast as faiss.knn, before half the product is saved", spent, "softalign", "faiss.knn", 1.0)
    return Measured(spent, agreement, [bar])


def _index(run: Run, sizes: Mapping[str, Any]) -> Measured:
    _write_vectors(run, sizes["points"])
    options = {"points": sizes["points"], "queries": sizes["queries"], "k": K, "recall": sizes["recall"]}
    ours, exact = "softalign", "faiss.knn, a slice"
    contestants = [
        Contestant(ours, "speed.contestants.neighbors:softalign_index", options),
        Contestant(exact, "speed.contestants.neighbors:faiss_knn", options),
    ]
    if sizes["autofaiss"]:
        contestants.append(Contestant("autofaiss", "speed.contestants.neighbors:autofaiss", options, "autofaiss"))

    def agree(outputs: Outputs) -> dict[str, Any]:
        true = outputs[exact]["similarity"]
        found = {name: round(recall(true, outputs[name]["similarity"]), 4) for name in outputs if name != exact}
        if found[ours] < sizes["recall"] - 0.01:
            raise AssertionError(f"softalign's recall is {found[ours]}, expected {sizes['recall']}")
        return {"recall": found}

    spent, agreement = race(run, contestants, agree, rounds=1)
    whole = sizes["points"] / sizes["queries"]
    ratio, cpu = (
        Ratio.of([value * whole for value in above], below)
        for above, below in (
            (spent[exact].seconds, spent[ours].seconds), (spent[exact].cpu, spent[ours].cpu),
        )
    )  # fmt: skip
    bars = [Bar("times as fast as faiss.knn (its slice, times the slices)", ratio, 10.0, cpu=cpu)]
    if sizes["autofaiss"]:
        bars.append(faster("times as fast as autofaiss at its defaults", spent, ours, "autofaiss", None))
    return Measured(spent, agreement, bars)


NEIGHBORS_EXACT = Row("neighbors-exact", "neighbourhoods, exact, all points", {"points": 60_000}, _exact)
NEIGHBORS_SLICE = Row(
    "neighbors-slice", "neighbourhoods, exact, some points against all", {"points": 500_000, "queries": 2048}, _slice
)
NEIGHBORS_INDEX = Row(
    "neighbors-index", "neighbourhoods through an index",
    {"points": 500_000, "queries": 2048, "recall": 0.95, "autofaiss": 0}, _index, needs=("autofaiss",),
)  # fmt: skip
