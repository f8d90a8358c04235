"""Which texts are nearly the same as known ones: MinHash signatures of the known ones, which others meet by their bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.text.minhash import Signatures, band_hashes, band_rows, signatures, similarity

PERMUTATIONS = 128
MIN_GRAMS = 12
"""Near matches are looked for in texts of at least so many characters: shorter ones are near to too much."""

TextRows = NDArray[np.int64]


@dataclass(frozen=True)
class NearMatches:
    """Texts that met known ones, one match a place.

    Attributes:
        rows: the rows of texts that met a known one [p].
        known: the row of the known text that each is near to [p].
        similarity: the estimated Jaccard similarity of both texts' character 5-grams [p].
    """

    rows: TextRows
    known: TextRows
    similarity: NDArray[np.float64]


class NearIndex:
    """The normal forms of known texts [n], which others meet that are at least ``near`` (above 0) to one.

    Holds 512 bytes for the signature of each, and 16 for each of its bands.
    """

    def __init__(self, forms: pl.Series, near: float) -> None:
        self.near, self._band_rows = near, band_rows(near, PERMUTATIONS)
        self._known = _long(forms)
        self._signatures = signatures(forms.gather(self._known), PERMUTATIONS)
        self._bands = _bands(self._signatures, self._band_rows)

    def matches(self, forms: pl.Series) -> NearMatches:
        """Those of some texts' normal forms [m] that are near to a known one; equal ones are near as well."""
        rows = _long(forms)
        if not len(rows) or not len(self._known):
            return NearMatches(rows[:0], self._known[:0], np.empty(0))
        values = signatures(forms.gather(rows), PERMUTATIONS)
        # Texts that agree in a band meet; of those, whose whole signatures are alike?
        met = _bands(values, self._band_rows).join(self._bands, on="band").select("row", "row_right").unique()
        ours, theirs = met["row"].to_numpy(), met["row_right"].to_numpy()
        found = similarity(values[ours], self._signatures[theirs])
        near = found >= self.near
        return NearMatches(rows[ours[near]], self._known[theirs[near]], found[near])


def _long(forms: pl.Series) -> TextRows:
    return np.flatnonzero((forms.str.len_chars() >= MIN_GRAMS).to_numpy())


def _bands(values: Signatures, rows: int) -> pl.DataFrame:
    bands = band_hashes(values, rows)
    return pl.DataFrame({"band": bands.ravel(), "row": np.repeat(np.arange(len(values)), bands.shape[1])})
