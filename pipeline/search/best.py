"""The k best of many lines of similarities, kept while tiles of similarities come and go.

Exact neighbours of both directions cost one matrix product, and the selection has to be cheap beside it: on a CPU a
product of 384 dimensions takes about 4 ns an entry, and a top-k over every entry takes more than that. So of each tile only
the entries better than their line's k-th best so far are looked for (`pipeline.search.lines`). A line sees about k·ln(n/k)
improvements in all.

A candidate is one int64: the similarity's bits, mapped so that they sort as integers, above the complement of the
other side's row. The greatest keys are then the best similarities with ties broken by the lower row, in whatever order
they come.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.search.lines import Lines

EMPTY = torch.iinfo(torch.int64).min
"""The key of no candidate; below every other."""

MAX_ROWS = 2**32 - 1
"""Rows of a side that a key can name."""

_LOW = 0xFFFFFFFF
_MAGNITUDE = 0x7FFFFFFF


def encode(similarity: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """Keys (int64) of float32 similarities and int64 rows of the same shape.

    >>> keys = encode(torch.tensor([0.5, -1.0, 0.5]), torch.tensor([7, 1, 2]))
    >>> keys.argsort(descending=True).tolist()
    [2, 0, 1]
    """
    bits = (similarity + 0.0).view(torch.int32)  # + 0.0 makes -0.0 equal to 0.0
    ordered = bits ^ ((bits >> 31) & _MAGNITUDE)
    return (ordered.to(torch.int64) << 32) | (_LOW - row)


def decode_similarity(keys: torch.Tensor) -> torch.Tensor:
    """The float32 similarities of keys; -inf where there is none."""
    ordered = (keys >> 32).to(torch.int32)
    similarity = (ordered ^ ((ordered >> 31) & _MAGNITUDE)).view(torch.float32)
    return torch.where(keys == EMPTY, float("-inf"), similarity)


def decode_row(keys: torch.Tensor) -> torch.Tensor:
    """The int64 rows of keys; -1 where there is none."""
    return torch.where(keys == EMPTY, -1, _LOW - (keys & _LOW))


class Best:
    """The k best candidates of each of n lines. Holds 8·k + 4 bytes a line.

    Tiles come to a line in ascending order of the other side's rows: a candidate that only equals the k-th best loses
    the tie.

    Args:
        lines: the number of lines, n.
        k: candidates kept of each line.
        device: where tiles are.
    """

    def __init__(self, lines: int, k: int, device: torch.device) -> None:
        self.k = k
        self.keys = torch.full((lines, k), EMPTY, dtype=torch.int64, device=device)
        self.floor = torch.full((lines,), float("-inf"), dtype=torch.float32, device=device)

    def update(self, first: int, lines: Lines, start: int) -> None:
        """Take a tile into account.

        Args:
            first: the line that the tile's first line is.
            lines: the tile's lines; -inf is nothing.
            start: the other side's row at the lines' first place.
        """
        floor = self.floor[first : first + lines.count]
        # Lines that hold less than k yet: what k of the tile's entries reach is a first floor.
        if bool(torch.isneginf(floor).any()) and (reached := lines.reached(self.k)) is not None:
            floor = torch.maximum(floor, torch.nextafter(reached, torch.full_like(reached, float("-inf"))))
        line, place, similarity = lines.above(floor)
        if len(line):
            self.merge(first, line, encode(similarity, place + start))

    def merge(self, first: int, line: torch.Tensor, keys: torch.Tensor) -> None:
        """Merge candidates, in ascending order of their lines, with what those lines hold."""
        lines, group, counts = torch.unique_consecutive(line, return_inverse=True, return_counts=True)
        starts = counts.cumsum(0) - counts
        slot = torch.arange(len(line), device=line.device) - starts[group]
        lines = lines + first
        held = torch.full((len(lines), self.k + int(counts.max())), EMPTY, dtype=torch.int64, device=keys.device)
        held[:, : self.k] = self.keys[lines]
        held[group, self.k + slot] = keys
        best = held.topk(self.k, dim=1).values
        self.keys[lines] = best
        self.floor[lines] = decode_similarity(best[:, -1])

    def result(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Similarities [n, k] (best first; -inf where there is none) and the other side's rows [n, k] (-1)."""
        return decode_similarity(self.keys).cpu().numpy(), decode_row(self.keys).cpu().numpy()
