"""Stage neighborhoods: the nearest label points of every label point, over the whole corpus of a language pair.

A label point is what the teacher's labels distinguish. With the strategy priority it is a unique sentence of the pair's first
language (an English sentence with three translations is one point, not three neighbours at similarity 1); with average it is
a unique pair, whose label vector is concat(g(x), g(y))/√2, so that its dot products are ½[g(x)·g(x′) + g(y)·g(y′)]
(arXiv 2405.16155, soft labels "Priority" and "Average"). Everything after this module sees only label vectors.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.artifacts.shards import KEY, fixed_list_array, key_array, neighborhood_schema, shard_path, write_shard
from pipeline.config.labels import Neighborhoods
from pipeline.console.progress import Advance, progress
from pipeline.ground.atomic import atomic_folder
from pipeline.ground.hashing import shard_count, shard_of
from pipeline.ground.mapped import mapped_array
from pipeline.labels.points import LabelPoints
from pipeline.search.job import SearchJob
from pipeline.search.neighbors import SelfSearch
from pipeline.search.scratch import ScratchArrays
from pipeline.search.search import search_itself

BLOCK_ROWS = 65_536


def soft_weights(similarity: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Soft-label weights of a point's neighbours: softmax over the point itself (similarity 1) and its neighbours.

    Args:
        similarity: [n, k], -inf where there is no neighbour.
        temperature: τ.

    Returns:
        [n, k]; a row's sum is what the labels give to other points than the row's own.

    >>> soft_weights(np.array([[1.0, -np.inf]], dtype=np.float32), 0.1).tolist()
    [[0.5, 0.0]]
    """
    exponent = np.exp((similarity.astype(np.float64) - 1.0) / temperature)
    weights: NDArray[np.float32] = (exponent / (1.0 + exponent.sum(axis=1, keepdims=True))).astype(np.float32)
    return weights


def find_neighborhoods(
    vectors: NDArray[np.float16], config: Neighborhoods, scratch: Path, advance: Advance | None = None
) -> SelfSearch:
    """The k nearest other points of every point, by cosine, as the section ``neighborhoods`` says (`pipeline.search.search`).

    Memory: ``config.block_bytes``, the result of an exact search (16·k + 4 bytes a point; of an index it is mapped), and an
    index.

    Args:
        vectors: label vectors [p, e].
        config: k, how to search.
        scratch: an existing folder for the index and its result.
        advance: called with points done; they add up to p.

    Returns:
        The neighbours, what found them, and the share of the true ones among them: 1.0, or measured on the sample.
    """
    job = SearchJob(
        config.k,
        config.block_bytes,
        backend=config.search,
        index=config.index,
        index_bytes=config.index_bytes,
        indexes=scratch / "indexes",
        recall=config.recall,
        sample=config.sample,
        seed=config.seed,
        scratch=ScratchArrays(scratch),
        advance=advance,
    )
    return search_itself(vectors, job)


def write_neighborhoods(
    points: LabelPoints,
    config: Neighborhoods,
    out: Path,
    shard_rows: int,
    made_by: dict[str, Any],
    label: str,
) -> dict[str, float | int | str]:
    """Find and write the neighbourhoods of one language pair.

    Label vectors are gathered into a memory-mapped temporary file (float16); memory besides is as for
    `find_neighborhoods`, and a shard (40 bytes a neighbour).

    Returns:
        Metrics: points, the mean share of soft-label weight that lies on other points than the row's own, the share of
        the true neighbours that were found, and the search's backend.
    """
    with atomic_folder(out) as folder, tempfile.TemporaryDirectory(dir=folder) as scratch:
        vectors = _gather(points, Path(scratch) / "labels.f16")
        with progress(label, len(points), "points") as advance:
            searched = find_neighborhoods(vectors, config, Path(scratch), advance)
        del vectors
        found = searched.neighbors
        weight, nearest = 0.0, 0.0
        shards = shard_count(len(points), shard_rows)
        where = shard_of(points.keys, shards)
        schema = neighborhood_schema(config.k)
        metadata = {**made_by, "kind": "neighborhoods", "strategy": points.strategy, "temperature": config.temperature}
        metadata["search"] = searched.about
        for index in range(shards):
            mine = np.flatnonzero(where == index)
            rows, similarity = found.row[mine], found.similarity[mine]
            keys, weights = points.keys[np.maximum(rows, 0)], soft_weights(similarity, config.temperature)
            keys[rows < 0] = b""
            weight, nearest = weight + weights.sum(dtype=float), nearest + similarity[:, 0].sum(dtype=float)
            columns = [
                key_array(points.keys[mine]),
                fixed_list_array(keys, KEY),
                fixed_list_array(similarity, pa.float32()),
                fixed_list_array(weights, pa.float32()),
            ]
            write_shard(shard_path(folder, index), pa.Table.from_arrays(columns, schema=schema), metadata, shards)
    return {
        "points": len(points),
        "k": config.k,
        "recall": round(searched.recall, 6),
        "search": searched.about["search"],
        "weight_on_neighbors": round(weight / max(len(points), 1), 6),
        "nearest_similarity": round(nearest / len(points) if len(points) > 1 else 0.0, 6),
    }


def _gather(points: LabelPoints, path: Path) -> NDArray[np.float16]:
    if len(points) == 0:
        return np.empty((0, points.dimension), dtype=np.float16)
    vectors = mapped_array(path, np.float16, (len(points), points.dimension))
    for start in range(0, len(points), BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, len(points)))
        vectors[rows] = points.vectors(rows)
    return vectors
