"""Copies: sentences with the same text on both sides, which are no translations of each other.

An untranslated sentence is its copy's nearest neighbour by far. Were it only left out of the pairs that are found, it would
still hold one of the k places of a neighbourhood and raise its mean, and with it hide the sentence's true translation. So
every search makes the few cells of a product that belong to copies the lowest, in both directions at once, and
neighbourhoods are of k other sentences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.ground.arrays import Rows
from pipeline.search.blocks import Span

CELLS = 1 << 16
"""Cells handled at once: where many sentences have the same text, there are as many as their number squared."""


class CopiedTexts(Protocol):
    """Which rows of two sides are no neighbours of each other, because they have the same text."""

    def swapped(self) -> CopiedTexts:
        """The same with the sides exchanged."""
        ...

    def cells(
        self, a: Span | Rows, b: Span | Rows, device: torch.device
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Where they meet in a product; see `Copies.cells`."""
        ...

    def counts(self, rows: Rows) -> Rows:
        """How many rows of side b each row [r] of side a is no neighbour of [r]."""
        ...

    def met(self, rows: Rows, others: Rows) -> NDArray[np.bool_]:
        """Which of some rows' candidates [r, c] are no neighbours of theirs; see `Copies.met`."""
        ...


@dataclass(frozen=True)
class Copies:
    """Which rows of two sides have the same text. Holds 16 bytes for each of them.

    Attributes:
        rows_a: rows of side a whose text stands on side b too, ascending [p].
        group_a: which text each one has [p].
        rows_b: such rows of side b [q].
        group_b: equal numbers for equal texts [q].
    """

    rows_a: Rows
    group_a: Rows
    rows_b: Rows
    group_b: Rows

    def swapped(self) -> Copies:
        """The same with the sides exchanged."""
        return Copies(self.rows_b, self.group_b, self.rows_a, self.group_a)

    def picked(self, rows_a: Rows, rows_b: Rows) -> Copies:
        """Those among some rows of either side, numbered by their places in these."""
        return Copies(*_among(self.rows_a, self.group_a, rows_a), *_among(self.rows_b, self.group_b, rows_b))

    def cells(
        self, a: Span | Rows, b: Span | Rows, device: torch.device
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Where copies meet in a product of some rows of side a and some of side b, at most `CELLS` or a line at a time.

        Args:
            a: the first row and past the last, or rows [r].
            b: such rows of side b.
            device: where places are wanted.

        Yields:
            Places among the rows of side a and of side b [c].
        """
        place_a, group_a = _among(self.rows_a, self.group_a, a)
        if len(place_a) == 0:
            return
        place_b, group_b = _among(self.rows_b, self.group_b, b)
        order = np.argsort(group_b, kind="stable")
        place_b, group_b = place_b[order], group_b[order]
        first = np.searchsorted(group_b, group_a, "left")
        counts = np.searchsorted(group_b, group_a, "right") - first
        met = counts > 0
        place_a, first, counts = place_a[met], first[met], counts[met]
        ends = np.cumsum(counts)
        start = 0
        while start < len(counts):
            before = int(ends[start - 1]) if start else 0
            stop = max(int(np.searchsorted(ends, before + CELLS, "right")), start + 1)
            some = counts[start:stop]
            offset = np.arange(int(ends[stop - 1]) - before) - np.repeat(ends[start:stop] - some - before, some)
            columns = place_b[np.repeat(first[start:stop], some) + offset]
            yield (
                torch.from_numpy(np.repeat(place_a[start:stop], some)).to(device),
                torch.from_numpy(columns).to(device),
            )
            start = stop

    def counts(self, rows: Rows) -> Rows:
        """How many copies rows [r] of side a have on side b [r]."""
        _, sizes = np.unique(self.group_b, return_counts=True)
        group = _group_of(self.rows_a, self.group_a, rows)
        return np.where(group >= 0, sizes[group], 0) if len(sizes) else np.zeros(len(rows), np.int64)

    def met(self, rows: Rows, others: Rows) -> NDArray[np.bool_]:
        """Which of some rows' candidates [r, c] on side b (-1: none) are copies of theirs [r, c]."""
        own = _group_of(self.rows_a, self.group_a, rows)[:, None]
        of_others = _group_of(self.rows_b, self.group_b, others.reshape(-1)).reshape(others.shape)
        same: NDArray[np.bool_] = (own >= 0) & (own == of_others)
        return same


class OwnRows:
    """A set searched in itself: no row is its own neighbour."""

    def swapped(self) -> OwnRows:
        """The same with the sides exchanged."""
        return self

    def cells(
        self, a: Span | Rows, b: Span | Rows, device: torch.device
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Where rows meet themselves; see `Copies.cells`."""
        one, other = (np.arange(*rows) if isinstance(rows, tuple) else rows for rows in (a, b))
        _, place_a, place_b = np.intersect1d(one, other, assume_unique=True, return_indices=True)
        yield torch.from_numpy(place_a).to(device), torch.from_numpy(place_b).to(device)

    def counts(self, rows: Rows) -> Rows:
        """Every row is itself once."""
        return np.ones(len(rows), np.int64)

    def met(self, rows: Rows, others: Rows) -> NDArray[np.bool_]:
        """Which of some rows' candidates [r, c] are the rows themselves."""
        own: NDArray[np.bool_] = rows[:, None] == others
        return own


def _among(rows: Rows, group: Rows, wanted: Span | Rows) -> tuple[Rows, Rows]:
    """Places among the rows that are wanted, ascending, of those that have copies, and their groups."""
    if isinstance(wanted, tuple):
        first, last = np.searchsorted(rows, wanted)
        return rows[first:last] - wanted[0], group[first:last]
    found = _group_of(rows, group, wanted)
    place = np.flatnonzero(found >= 0)
    return place, found[place]


def _group_of(rows: Rows, group: Rows, wanted: Rows) -> Rows:
    """The group of each row that is wanted [r]; -1 for those without copies."""
    if len(rows) == 0:
        return np.full(len(wanted), -1, np.int64)
    place = np.minimum(np.searchsorted(rows, wanted), len(rows) - 1)
    return np.where(rows[place] == wanted, group[place], -1)
