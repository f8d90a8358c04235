"""What stands around an artifact and gives its keys and ids words: sentences, pairs, tokenizers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.artifacts.shards import Shard, binary_view, open_shard
from pipeline.ground.hashing import KEY_BYTES, Keys, locate

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Surroundings:
    """Where to look things up; whatever is missing is simply not shown."""

    texts: tuple[Path, ...] = ()  # folders with a folder of sentences (columns id, text) for each language
    pairs: Path | None = None  # the folder with a folder of training pairs for each language pair
    tokenizers: Mapping[str, Path] = field(default_factory=dict)  # the ``tokenizer.json`` of each kind of tokens

    @cached_property
    def languages(self) -> list[str]:
        """The languages that there are texts of."""
        return sorted(
            {folder.name for root in self.texts if root.is_dir() for folder in root.iterdir() if folder.is_dir()}
        )

    def split_pair(self, name: str) -> tuple[str | None, str | None]:
        """The languages of a pair's name (codes may hold hyphens), or None where that can't be told."""
        known = set(self.languages)
        for place, char in enumerate(name):
            if char == "-" and name[:place] in known and name[place + 1 :] in known:
                return name[:place], name[place + 1 :]
        return None, None

    def text_of(self, keys: Keys, language: str | None) -> list[str | None]:
        """The texts of some keys [n]; None where one isn't found. Without a language, all are looked through."""
        texts: list[str | None] = [None] * len(keys)
        for shard in self._shards(language):
            rows = locate(shard.keys, keys)
            for place in np.flatnonzero(rows >= 0):
                if texts[place] is None:
                    texts[place] = shard.table.column("text")[int(rows[place])].as_py()
            if None not in texts:
                break
        return texts

    def keys_with(self, query: str, language: str | None) -> Keys:
        """The keys [m] of texts that hold a query, whatever its case; reads all texts of the language."""
        found = [shard.keys[rows_with(shard, "text", query)] for shard in self._shards(language)]
        return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=f"S{KEY_BYTES}")

    def pair_sides(self, keys: Keys, pair: str) -> dict[bytes, tuple[bytes, bytes]]:
        """The two sentences' keys of some pairs, by the pair's key."""
        folder = self.pairs / pair if self.pairs is not None else None
        sides: dict[bytes, tuple[bytes, bytes]] = {}
        for path in sorted(folder.glob("*.arrow")) if folder is not None else ():
            shard = open_shard(path)
            rows = locate(shard.keys, keys)
            a, b = (binary_view(shard.table.column(side)) for side in "ab")
            sides.update({bytes(keys[i]): (bytes(a[rows[i]]), bytes(b[rows[i]])) for i in np.flatnonzero(rows >= 0)})
        return sides

    def tokenizer(self, kind: str) -> Tokenizer | None:
        """The tokenizer of a kind of tokens, if it is there."""
        from tokenizers import Tokenizer  # costs start-up time that other artifacts need not pay

        path = self.tokenizers.get(kind)
        return Tokenizer.from_file(str(path)) if path is not None and path.is_file() else None

    def _shards(self, language: str | None) -> Iterator[Shard]:
        for root in self.texts:
            for name in [language] if language is not None else self.languages:
                for path in sorted((root / name).glob("*.arrow")):
                    shard = open_shard(path)
                    if "text" in shard.table.column_names:
                        yield shard


def rows_with(shard: Shard, column: str, query: str) -> NDArray[np.int64]:
    """The rows of a shard whose text holds a query, whatever its case."""
    mask = pc.match_substring(shard.table.column(column), query, ignore_case=True)
    return np.flatnonzero(np.asarray(mask))
