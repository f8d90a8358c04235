"""The training pairs of one language pair, as keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.shards import binary_view, open_folder
from pipeline.ground.hashing import Keys


class PairFolder:
    """All pairs of a folder; 48 bytes a pair in memory.

    Attributes:
        keys: of the pairs, sorted [n].
        a: key of each pair's sentence in the first language [n].
        b: in the second [n].
    """

    def __init__(self, folder: Path) -> None:
        shards = self._shards = open_folder(folder)
        self.folder = folder
        self.keys: Keys = np.concatenate([shard.keys for shard in shards])
        self.a: Keys = np.concatenate([binary_view(shard.table.column("a")) for shard in shards])
        self.b: Keys = np.concatenate([binary_view(shard.table.column("b")) for shard in shards])

    def __len__(self) -> int:
        return len(self.keys)

    def weights(self, by_corpus: Mapping[str, float]) -> NDArray[np.float64] | None:
        """How often training draws each pair [n], by the corpus it was read from; None if all are drawn alike, once."""
        if set(by_corpus.values()) <= {1.0}:
            return None
        parts = []
        for shard in self._shards:
            corpus = shard.table.column("corpus").combine_chunks().dictionary_encode()
            names = corpus.dictionary.to_pylist()
            weights = np.array([by_corpus.get(name, 1.0) for name in names], dtype=np.float64)
            parts.append(weights[corpus.indices.to_numpy()] if names else np.empty(0))
        return np.concatenate(parts)


class HeldOutFolder:
    """The known pairs of held-out documents of one language pair.

    Attributes:
        sets: ``dev`` or ``test`` of each pair [n].
        a: key of the sentence in the first language [n].
        b: in the second [n].
        in_a: whether mining sees side a [n].
        in_b: whether mining sees side b [n].
    """

    def __init__(self, folder: Path) -> None:
        shards = open_folder(folder)
        self.folder = folder
        self.sets: NDArray[np.str_] = np.concatenate(
            [np.asarray(shard.table.column("set").to_pylist(), dtype=np.str_) for shard in shards]
        )
        self.a: Keys = np.concatenate([binary_view(shard.table.column("a")) for shard in shards])
        self.b: Keys = np.concatenate([binary_view(shard.table.column("b")) for shard in shards])
        self.in_a = np.concatenate([shard.table.column("in_a").to_numpy() for shard in shards]).astype(np.bool_)
        self.in_b = np.concatenate([shard.table.column("in_b").to_numpy() for shard in shards]).astype(np.bool_)

    def rows(self, name: str) -> NDArray[np.int64]:
        """The rows of one set."""
        return np.flatnonzero(self.sets == name)
