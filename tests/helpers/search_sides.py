"""Sides to search: vectors in folders, with ties; clustered ones with true pairs; workers that are this process."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.artifacts.folders import VectorFolder
from pipeline.artifacts.shards import fixed_list_array, key_array, shard_path, vector_schema, write_shard
from pipeline.compute.in_process import Here
from pipeline.ground.hashing import as_keys, text_key
from pipeline.search.folder_rows import SelectedVectors
from pipeline.search.neighbors import Neighbors

MEMORY = 1 << 20
"""Tiles of 160 rows and slabs of a few tiles."""


class Several(Here):
    """One process, but the items of several workers."""

    workers = 3


def folder(path: Path, rows: int, seed: int, zero: bool = False) -> SelectedVectors:
    """Vectors of a folder, in another order than there; ``zero``: one of them has no direction."""
    vectors = np.random.default_rng(seed).standard_normal((rows, 8)).round(1).astype(np.float16)  # ties, too
    vectors[0] += 1
    if zero:
        vectors[-1] = 0
    keys = np.sort(as_keys(text_key(f"{seed} {row}") for row in range(rows)))
    columns = [key_array(keys), fixed_list_array(vectors, pa.float16())]
    write_shard(shard_path(path, 0), pa.Table.from_arrays(columns, schema=vector_schema(8)), {"kind": "vectors"})
    return SelectedVectors(VectorFolder(path), np.arange(0, rows, dtype=np.int64)[::-1].copy())


def sides(n: int = 1500, m: int = 1200, d: int = 32, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around twenty topics; of a quarter, the other side has a near copy at the same row."""
    generator = np.random.default_rng(seed)
    topics = generator.standard_normal((20, d))
    x = topics[generator.integers(0, 20, n)] + 0.5 * generator.standard_normal((n, d))
    y = topics[generator.integers(0, 20, m)] + 0.5 * generator.standard_normal((m, d))
    both = min(n, m) // 4
    y[:both] = x[:both] + 0.1 * generator.standard_normal((both, d))
    return x.astype(np.float16), y.astype(np.float16)


def same(one: Neighbors, other: Neighbors) -> None:
    """Bit by bit."""
    for name in vars(one):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
