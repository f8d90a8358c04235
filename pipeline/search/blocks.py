"""A product of two sides in blocks: a range of side a's rows against a range of side b's.

A block gives, of each of its rows on either side, the k best among its rows of the other side, as the keys of
`pipeline.search.best`. The k best of all blocks' are the k best of all, since keys are ordered without regard to when they
came; so no worker holds all of a side's neighbours, and where they are merged they may lie in files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.ground.arrays import CHUNK
from pipeline.search.best import EMPTY, decode_row, decode_similarity
from pipeline.search.scratch import ScratchArrays

Span = tuple[int, int]
"""Rows from the first to before the second."""


@dataclass(frozen=True)
class Block:
    """What is multiplied at a time.

    Attributes:
        a: rows of side a.
        b: rows of side b.
        part: which of the blocks of the same rows of side a it is, from 0.
        parts: how many those are.
    """

    a: Span
    b: Span
    part: int = 0
    parts: int = 1

    def share(self, advance: Callable[[int], None] | None) -> Callable[[int], None]:
        """Counts rows of side a done: the blocks of the same rows add up to these rows."""
        rows, done = self.a[1] - self.a[0], 0

        def at(count: int) -> int:
            return (rows * self.part + count) // self.parts

        def count(more: int) -> None:
            nonlocal done
            if advance is not None:
                advance(at(done + more) - at(done))
            done += more

        return count


@dataclass(frozen=True)
class BlockBest:
    """What a block gave.

    Attributes:
        a: int64 keys [rows of side a, k].
        b: int64 keys [rows of side b, k].
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]


def block_rows(k: int, memory_bytes: int, tile: int) -> int:
    """The most rows of a block on either side, whole tiles: what is held of both sides' best is half of the memory."""
    return max(1, memory_bytes // 4 // (16 * k + 4) // tile) * tile


def cut(rows_a: int, rows_b: int, tile: int, most_rows: int | None, wanted: int) -> list[Block]:
    """Cut a product into blocks of whole tiles.

    Side b is cut only where it has more than ``most_rows``.

    Args:
        rows_a: n.
        rows_b: m.
        tile: rows of a tile.
        most_rows: rows of a block at most, a multiple of ``tile``; None: as many as there are.
        wanted: blocks, about, if fewer would do.

    >>> [(block.a, block.b) for block in cut(10, 3, 2, 4, 1)]
    [((0, 4), (0, 3)), ((4, 8), (0, 3)), ((8, 10), (0, 3))]
    """
    of_b = row_ranges(rows_b, tile, 1, most_rows)
    of_a = row_ranges(rows_a, tile, -(-wanted // len(of_b)), most_rows)
    return [Block(a, b, part, len(of_b)) for a in of_a for part, b in enumerate(of_b)]


def row_ranges(rows: int, tile: int, wanted: int, most_rows: int | None = None) -> list[Span]:
    """Rows cut into at most ``wanted`` ranges of whole tiles, or more, if else one had more than ``most_rows``.

    There is one, perhaps empty, in any case.

    >>> row_ranges(10, 2, 3)
    [(0, 4), (4, 8), (8, 10)]
    """
    step = max(-(-rows // (tile * max(wanted, 1))), 1) * tile
    if most_rows is not None:
        step = max(min(step, most_rows // tile * tile), tile)
    return [(start, min(start + step, rows)) for start in range(0, max(rows, 1), step)]


class Merged:
    """The k best candidates of each row of a side, merged from blocks. Takes 8·k bytes a row of the scratch arrays.

    Args:
        rows: the side's rows.
        k: candidates of a row.
        arrays: where the keys lie.
        name: the name of the keys' file.
    """

    def __init__(self, rows: int, k: int, arrays: ScratchArrays, name: str) -> None:
        self._arrays, self._name = arrays, name
        self._keys = arrays.array(name, np.int64, (rows, k))
        self._seen: set[Span] = set()

    def take(self, span: Span, keys: NDArray[np.int64]) -> None:
        """Take the keys [rows of the span, k] of a block into account; spans are the same again or apart."""
        own = self._keys[span[0] : span[1]]
        if span not in self._seen:
            self._seen.add(span)
            own[:] = keys
            return
        both = np.concatenate([own, keys], axis=1)
        own[:] = torch.from_numpy(both).topk(keys.shape[1], dim=1).values.numpy()

    def result(self, names: tuple[str, str]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Similarities [n, k] and the other side's rows [n, k], as of `Best.result`, in arrays of these names."""
        similarity = self._arrays.array(names[0], np.float32, self._keys.shape)
        row = self._arrays.array(names[1], np.int64, self._keys.shape)
        for start in range(0, len(row), CHUNK):
            part = slice(start, start + CHUNK)
            keys = torch.from_numpy(np.array(self._keys[part]))
            similarity[part], row[part] = decode_similarity(keys).numpy(), decode_row(keys).numpy()
        self.drop()
        return similarity, row

    def drop(self) -> None:
        """Give the keys' memory or file back."""
        self._keys = np.full((0, self._keys.shape[1]), EMPTY)
        self._arrays.drop(self._name)
