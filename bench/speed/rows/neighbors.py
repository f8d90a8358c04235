"""Rows of search: neighbourhoods of label vectors, k = 64, and exact mining, k = 4; vectors of real sentences."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from speed.rows.base import OURS, SBERT, Measured, Row, Run, duel, faster, race
from speed.rows.encoding import PAIRS
from speed.rows.training import cheap_teacher
from speed.text import read_pairs, read_sentences
from speed.turns import Contestant, Outputs

K, MINED = 64, 4
"""Neighbours of a point, and of a sentence that is mined."""
MINED_PAIR = "en-fr"
TOLERANCE = 1e-4
"""Cosines that differ by less are the same; both sides compute in float32."""

FAISS = ("faiss.knn", "speed.contestants.faiss:knn")
OUR_NEIGHBORHOODS = "speed.contestants.softalign:neighborhoods"


def _given(run: Run, sizes: Mapping[str, Any], *options: str) -> dict[str, Any]:
    """Write the row's label vectors; returns the contestants' options, some of them the row's sizes."""
    _write_vectors(run, sizes["points"])
    return {"k": K, **{name: sizes[name] for name in ("points", *options)}}


def _encoder(run: Run) -> Any:
    """The cheap static teacher."""
    from pipeline.encoders.load import EncoderSettings, load_encoder
    from pipeline.encoders.resolve import resolve_model

    source = resolve_model("teacher", str(cheap_teacher(run.folder / "teacher")), None, Path())
    return load_encoder(source, EncoderSettings(batch_tokens=65_536))


def _write_vectors(run: Run, points: int) -> None:
    """Vectors of different real sentences, all languages, as the cheap static teacher gives them."""
    texts = sorted({text for side in (0, 1) for text in read_sentences(run.text, PAIRS, side)})
    order = np.random.default_rng(0).permutation(len(texts))
    encoder = _encoder(run)
    parts, found = [], 0
    for start in range(0, len(order), 50_000):
        vectors = encoder.encode_tokens(encoder.tokenize([texts[row] for row in order[start : start + 50_000]]))
        parts.append(vectors[vectors.any(axis=1)].astype(np.float16))
        if (found := found + len(parts[-1])) >= points:
            break
    # Sentences of the same words have the same vector; a label point is there once. Where the text is too small, near copies
    # make up for the rest.
    unique = np.unique(np.concatenate(parts), axis=0)
    if len(unique) < points:
        noise = np.random.default_rng(1).standard_normal((points - len(unique), unique.shape[1]), dtype=np.float32)
        copies = unique[np.random.default_rng(2).integers(0, len(unique), len(noise))]
        unique = np.concatenate([unique, (copies + 0.02 * noise).astype(np.float16)])
    np.save(run.folder / "vectors.npy", unique[np.random.default_rng(3).permutation(len(unique))[:points]])


def _same(outputs: Outputs, ours: str, theirs: str) -> dict[str, Any]:
    """Both exact searches found equally near neighbours.

    Raises:
        AssertionError: if a similarity differs by more than `TOLERANCE`.
    """
    one, other = outputs[ours], outputs[theirs]
    worst = float(np.abs(one["similarity"] - other["similarity"]).max())
    if worst > TOLERANCE:
        raise AssertionError(f"similarities of {ours} and {theirs} differ by {worst}")
    rows = round(float((one["row"] == other["row"]).mean()), 6)
    return {"similarities differ by at most": worst, "same rows": rows}


def _exact(run: Run, sizes: Mapping[str, Any]) -> Measured:
    return duel(run, OUR_NEIGHBORHOODS, FAISS, _given(run, sizes), _same, ("times as fast as faiss.knn", 1.0))


def _slice(run: Run, sizes: Mapping[str, Any]) -> Measured:
    bar = ("times as fast as faiss.knn, before half the product is saved", 1.0)
    ours = "speed.contestants.softalign:neighbors_slice"
    return duel(run, ours, FAISS, _given(run, sizes, "queries"), _same, bar)


def _index(run: Run, sizes: Mapping[str, Any]) -> Measured:
    options, exact = _given(run, sizes, "queries", "recall"), "faiss.knn, a slice"
    contestants = [Contestant(OURS, OUR_NEIGHBORHOODS, options), Contestant(exact, FAISS[1], options)]

    def agree(outputs: Outputs) -> dict[str, Any]:
        """The share of true neighbours for which a search found one at least as near as the k-th."""
        least = outputs[exact]["similarity"].min(axis=1, keepdims=True) - TOLERANCE
        found = {
            name: round(float((of["similarity"] >= least).mean()), 4) for name, of in outputs.items() if name != exact
        }
        if found[OURS] < sizes["recall"] - 0.01:
            raise AssertionError(f"softalign's recall is {found[OURS]}, expected {sizes['recall']}")
        return {"recall": found}

    spent, agreement = race(run, contestants, agree, rounds=1)
    slices = sizes["points"] / sizes["queries"]
    bar = faster("times as fast as faiss.knn (its slice, times the slices)", spent, OURS, exact, 10.0, slices)
    return Measured(spent, agreement, [bar])


LASER, EXAMPLE = "LASER", "parallel-sentence-mining"
"""Folders under ``--peers``: LASER's ``source``, and sentence-transformers' example; who has none goes without."""


def _mining(run: Run, sizes: Mapping[str, Any]) -> Measured:
    """Mining with and without linking, against two searches of FAISS and those of LASER and the example, where they are."""
    options = {"k": MINED, "dimension": _write_sides(run, sizes["rows"])}
    ours, theirs = "softalign, search", "two searches of FAISS"
    contestants = [
        Contestant(ours, "speed.contestants.softalign:both_directions", options),
        Contestant(theirs, "speed.contestants.faiss:both_directions", options),
        Contestant(OURS, "speed.contestants.softalign:mining", options),
    ]
    if (laser := run.peers / LASER / "mine_bitexts.py").is_file():
        contestants.append(Contestant(LASER, "speed.contestants.laser:mining", {**options, "laser": str(laser.parent)}))
    if (example := run.peers / EXAMPLE).is_dir():
        name = f"{SBERT}' example"
        contestants.append(
            Contestant(name, "speed.contestants.sentence_transformers:mining", {**options, "example": str(example)})
        )
    miners = [contestant.name for contestant in contestants[2:]]
    spent, agreement = race(
        run, contestants, lambda outputs: {name: _same_pairs(outputs, OURS, name) for name in miners[1:]}
    )
    bars = [faster(f"search: times as fast as {theirs}", spent, ours, theirs, 1.5)]
    bars += [faster(f"mining: times as fast as {name}", spent, OURS, name, 1.5) for name in miners[1:]]
    return Measured(spent, agreement, bars)


def _write_sides(run: Run, rows: int) -> int:
    """Vectors of both sides of the first pairs, each in an order of its own, with texts that name their row; returns d."""
    encoder = _encoder(run)
    pairs = read_pairs(run.text, MINED_PAIR)[:rows]
    for number, name in enumerate("ab"):
        vectors = encoder.encode_tokens(encoder.tokenize([pair[number] for pair in pairs]))
        vectors = np.unique(vectors[vectors.any(axis=1)], axis=0)
        np.random.default_rng(number).permutation(vectors).tofile(run.folder / f"{name}.f32")
        lines = "".join(f"{name}{row}\n" for row in range(len(vectors)))
        (run.folder / f"{name}.txt").write_text(lines, encoding="utf-8")
    return int(vectors.shape[1])


def _same_pairs(outputs: Outputs, ours: str, theirs: str) -> dict[str, Any]:
    """How many pairs both have, and by how much their scores differ.

    Raises:
        AssertionError: if one in a thousand is missing from the other's, or a score differs by more than `TOLERANCE`.
    """
    one, other = (
        dict(zip(map(tuple, outputs[name]["pair"].tolist()), outputs[name]["score"].tolist(), strict=True))
        for name in (ours, theirs)
    )
    shared = one.keys() & other.keys()
    off = max(abs(one[pair] - other[pair]) for pair in shared)
    if min(len(shared) / len(one), len(shared) / len(other)) < 0.999 or off > TOLERANCE:
        found = f"{ours} links {len(one):,} pairs, {theirs} {len(other):,}, both {len(shared):,}"
        raise AssertionError(f"{found}; scores differ by at most {off:.1e}")
    return {"pairs": len(one), "theirs": len(other), "both": len(shared), "scores differ by at most": off}


MANY = {"points": 500_000, "queries": 2048}
ROWS = (
    Row("neighbors-exact", "neighbourhoods, exact, all points", {"points": 60_000}, _exact),
    Row("neighbors-slice", "neighbourhoods, exact, some points against all", MANY, _slice),
    Row("mining-exact", "mining, exact, both directions", {"rows": 40_000}, _mining),
    Row("neighbors-index", "neighbourhoods through an index", {**MANY, "recall": 0.95}, _index),
)  # fmt: skip
