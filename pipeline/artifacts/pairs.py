"""The training pairs of one language pair, as keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.shards import Shard, all_keys, binary_view, open_folder
from pipeline.ground.hashing import Keys


class PairFolder:
    """All pairs of a folder; 48 bytes a pair in memory.

    Attributes:
        keys: the pairs' keys, sorted [n].
        a: the key of each pair's sentence in the first language [n].
        b: the key of each pair's sentence in the second language [n].
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._shards = folder, open_folder(folder)
        self.keys = all_keys(self._shards)
        self.a, self.b = _key_column(self._shards, "a"), _key_column(self._shards, "b")

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
        sets: each pair's set, ``dev`` or ``test`` [n].
        a: the key of each pair's sentence in the first language [n].
        b: the key of each pair's sentence in the second language [n].
        in_a: whether mining sees side a [n].
        in_b: whether mining sees side b [n].
    """

    def __init__(self, folder: Path) -> None:
        self.folder, shards = folder, open_folder(folder)
        self.sets = np.concatenate([np.array(shard.table.column("set").to_pylist(), np.str_) for shard in shards])
        self.a, self.b = _key_column(shards, "a"), _key_column(shards, "b")
        self.in_a, self.in_b = (
            np.concatenate([shard.table.column(name).to_numpy() for shard in shards]) for name in ("in_a", "in_b")
        )

    def rows(self, name: str) -> NDArray[np.int64]:
        """The rows of one set."""
        return np.flatnonzero(self.sets == name)


def _key_column(shards: Sequence[Shard], name: str) -> Keys:
    """A column of keys of all shards [n]."""
    return np.concatenate([binary_view(shard.table.column(name)) for shard in shards])
