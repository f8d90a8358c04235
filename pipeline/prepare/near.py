"""Near-duplicate pairs, out of memory; and held-out pairs that are near to training sentences.

Near-duplicates: every pair gets a MinHash signature of both sides' normal forms. Signatures lie in a file on disk; bands of
them are spilled by their hash, so pairs that agree in a band meet in one partition. There each is compared with the first of
them (training before held-out, then in order of the corpora), and is left out if their estimated similarity reaches the
threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.config.prepare import Duplicates
from pipeline.ground.mapped import mapped_array
from pipeline.prepare.spill import SortedRun, Spill
from pipeline.text.minhash import band_hashes, band_rows, signatures, similarity
from pipeline.text.near import NearIndex
from pipeline.text.normalize import normal_form


class NearDuplicates:
    """Collects pairs, then hands them back without the near-duplicates.

    Holds one partition in memory (``memory_bytes``); in mapped files 4 bytes a permutation, and a similarity, for each pair.
    """

    def __init__(self, folder: Path, config: Duplicates, memory_bytes: int) -> None:
        self.config = config
        self.folder = folder
        self.rows = band_rows(config.near, config.permutations)
        self.run = SortedRun(folder / "near.arrows")
        self.bands = Spill(folder / "bands", pl.col("band"), memory_bytes)
        folder.mkdir(parents=True, exist_ok=True)
        self._signatures = (folder / "signatures.u4").open("wb")

    def add(self, frame: pl.DataFrame) -> None:
        """Take pairs."""
        start = self.run.rows
        text = frame.select(normal_form(pl.col("a")) + "\0" + normal_form(pl.col("b"))).to_series()
        values = signatures(text, self.config.permutations)
        self._signatures.write(values.tobytes())
        bands = frame.select(
            pl.Series("band", band_hashes(values, self.rows)),
            pl.int_range(start, start + frame.height).alias("row"),
            (pl.col("set") != 0).alias("held"),
            "order",
            "languages",
        )
        self.bands.add(bands.explode("band"))
        self.run.add(frame)

    def sifted(self) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Batches of pairs: those that stay, and those that are near to an earlier one, with reason and detail."""
        self._signatures.close()
        if not self.run.rows:
            return
        path = self.folder / "similarities.f4"
        near = mapped_array(path, np.float32, (self.run.rows,))
        self._mark(near)
        start = 0
        for frame in self.run.frames():
            values = np.array(near[start : start + frame.height])
            start += frame.height
            frame = frame.with_columns(pl.Series("similarity", values))
            detail = pl.format("similarity about {}", pl.col("similarity").round(2))
            similar = frame.filter(pl.col("similarity") > 0)
            similar = similar.with_columns(reason=pl.lit("near-duplicate"), detail=detail)
            yield frame.filter(pl.col("similarity") == 0).drop("similarity"), similar

    def _mark(self, near: np.memmap[tuple[int], np.dtype[np.float32]]) -> None:
        shape = (self.run.rows, self.config.permutations)
        values = np.memmap(self.folder / "signatures.u4", dtype=np.uint32, mode="r", shape=shape)
        for frame in self.bands.partitions():
            # All pairs that agree in a band are compared with the first of them alone, some 100,000 comparisons at a time.
            frame = frame.sort("held", "order").with_columns(first=pl.col("row").first().over("languages", "band"))
            met = frame.filter(pl.col("row") != pl.col("first")).select("row", "first").unique().sort("row", "first")
            for part in met.iter_slices(100_000):
                rows, firsts = part["row"].to_numpy(), part["first"].to_numpy()
                found = similarity(values[rows], values[firsts])
                alike = found >= self.config.near
                np.maximum.at(near, rows[alike], found[alike].astype(np.float32))


class NearHeldOut:
    """Held-out pairs, and which of them have a side that is near to a training sentence of its language.

    Holds the pairs (as many as are held out at most, not as the corpus has), and a `NearIndex` of each language's sides.

    Args:
        heldout: the pairs, with the columns ``languages``, ``a`` and ``b``.
        near: the least Jaccard similarity of character 5-grams that counts; ``digits`` and 0: none is looked for.
    """

    def __init__(self, heldout: pl.DataFrame, near: str | float) -> None:
        self.heldout = heldout
        self._best = np.zeros(heldout.height, dtype=np.float64)
        self._sides: dict[str, tuple[NDArray[np.int64], NearIndex]] = {}
        if heldout.height and isinstance(near, int | float) and near:
            sides = pl.concat([self._side(place, side) for place, side in enumerate("ab")])
            for (language,), part in sides.partition_by("language", as_dict=True, maintain_order=True).items():
                self._sides[str(language)] = part["row"].to_numpy(), NearIndex(part["form"], near)

    def _side(self, place: int, side: str) -> pl.DataFrame:
        return self.heldout.select(
            pl.col("languages").str.split(" ").list.get(place).alias("language"),
            pl.int_range(pl.len()).alias("row"),
            normal_form(pl.col(side)).alias("form"),
        )

    def look(self, sentences: pl.DataFrame) -> None:
        """Compare training sentences, columns ``name`` (of their language) and ``text``."""
        if not self._sides:
            return
        for (language,), part in sentences.partition_by("name", as_dict=True).items():
            if str(language) in self._sides:
                rows, index = self._sides[str(language)]
                met = index.matches(part.select(normal_form(pl.col("text"))).to_series())
                np.maximum.at(self._best, rows[met.known], met.similarity)

    def sifted(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The pairs that stay, and those that are near, with reason and detail."""
        if not self._sides:
            return self.heldout, self.heldout.clear()
        near = pl.Series(self._best > 0, dtype=pl.Boolean)
        detail = pl.format("similarity about {}", pl.Series("detail", self._best).round(2)).alias("detail")
        found = self.heldout.with_columns(pl.lit("heldout-near").alias("reason"), detail).filter(near)
        return self.heldout.filter(~near), found
