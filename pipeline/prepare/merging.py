"""The second pass: leave out duplicates, and send what is left where it belongs."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipeline.artifacts.keys import pair_keys, top_bits
from pipeline.config.prepare import Duplicates
from pipeline.prepare.account import Account
from pipeline.prepare.cleaning import TRAIN
from pipeline.prepare.hubs import CountedSides
from pipeline.prepare.near import NearDuplicates
from pipeline.prepare.rejects import Rejects
from pipeline.prepare.spill import SortedRun, Spill
from pipeline.text.normalize import digits_masked, normal_form

PLACE = ["corpus", "file", "line"]


class SecondPass:
    """What survives the duplicates: training pairs, their sentences, held-out candidates, and which text each side is.

    With ``mask_digits``, sides also meet that differ in numbers only.
    """

    def __init__(
        self,
        folder: Path,
        config: Duplicates,
        memory_bytes: int,
        account: Account,
        rejects: Rejects,
        mask_digits: bool = False,
    ) -> None:
        self.account, self.rejects, self.mask_digits = account, rejects, mask_digits
        self.folder, self.memory_bytes = folder, memory_bytes
        self.by = ["languages", "n1", "n2"] if config.normalized else ["languages", "ka", "kb"]
        self.near = NearDuplicates(folder, config, memory_bytes) if config.near else None
        self.rows = Spill(folder / "rows", pl.col("n1"), memory_bytes)
        self.pairs = Spill(folder / "pairs", top_bits("id"), memory_bytes)
        self.sentences = Spill(folder / "sentences", top_bits("id"), memory_bytes)
        self.sides = CountedSides(folder / "sides", memory_bytes)
        self.heldout = SortedRun(folder / "heldout.arrows")

    def run(self) -> None:
        """Work through all rows; holds one partition."""
        for frame in self.rows.partitions():
            self._partition(frame)
        if self.near is not None:
            for frame, similar in self.near.sifted():
                self.rejects.add(similar)
                self._dispatch(frame)

    def _partition(self, frame: pl.DataFrame) -> None:
        # Training text comes first: a held-out pair that repeats a training pair is the duplicate of the two.
        frame = frame.sort(pl.col("set") != TRAIN, "order")
        first = frame.select(pl.struct(self.by).is_first_distinct()).to_series()
        unique = frame.filter(first)
        self._reject_duplicates(frame.filter(~first), unique)
        unique = unique.with_columns(pair_keys(unique["ka"], unique["kb"]).alias("id"))
        if self.near is None:
            self._dispatch(unique)
        else:
            self.near.add(unique)

    def _dispatch(self, unique: pl.DataFrame) -> None:
        """Send unique pairs on: the pair, its two sentences, and its two sides, which the held-out ones are to meet."""
        train, held = unique.filter(pl.col("set") == TRAIN), unique.filter(pl.col("set") != TRAIN)
        self.account.kept(train)
        self.pairs.add(train.select("languages", "id", "ka", "kb", *PLACE))
        for side in ("a", "b"):
            self.sentences.add(train.select(_language(side), id=f"k{side}", text=side))
            self._add_sides(train.with_columns(row=pl.lit(-1, pl.Int64)), side)
        if held.height:
            start = self.heldout.rows
            held = held.with_columns(row=pl.int_range(start, start + held.height))
            self.heldout.add(held.drop("n1", "n2"))
            for side in ("a", "b"):
                self._add_sides(held, side)

    def _add_sides(self, frame: pl.DataFrame, side: str) -> None:
        """Let one side of pairs meet equal ones; with ``mask_digits`` once more, with its numbers masked."""
        self.sides.add(_sides(frame, side, masked=False))
        if self.mask_digits:
            # The normal form also makes digits of ² and ①.
            numbered = frame.filter(pl.col(side).str.contains(r"\p{N}"))
            numbered = numbered.with_columns(form=digits_masked(normal_form(pl.col(side)))).drop_nulls("form")
            self.sides.add(_sides(numbered.with_columns(pl.col("form").hash(3).alias(f"h{side}")), side, masked=True))

    def _reject_duplicates(self, duplicates: pl.DataFrame, unique: pl.DataFrame) -> None:
        if duplicates.height == 0:
            return
        firsts = unique.select(*self.by, first_file="file", first_line="line", first_a="ka", first_b="kb")
        joined = duplicates.join(firsts, on=self.by, how="left", maintain_order="left", coalesce=True)
        same = (pl.col("ka") == pl.col("first_a")) & (pl.col("kb") == pl.col("first_b"))
        exact = pl.lit(True) if "ka" in self.by else same
        reason = pl.when(exact).then(pl.lit("duplicate")).otherwise(pl.lit("duplicate-normalized"))
        self.rejects.add(joined.with_columns(reason=reason, detail=pl.format("of {}:{}", "first_file", "first_line")))


def _language(side: str) -> pl.Expr:
    # Languages hold hyphens, so a pair travels as "a b" inside the passes.
    return pl.col("languages").str.split(" ").list.get(0 if side == "a" else 1).alias("language")


def _sides(frame: pl.DataFrame, side: str, masked: bool) -> pl.DataFrame:
    """One side of pairs as `CountedSides` takes it: its hash ``h``, its key ``k``, and whose it is."""
    whose = (_language(side), "languages", pl.lit(side).alias("side"), "set", "row", pl.lit(masked).alias("masked"))
    return frame.select(pl.col(f"h{side}").alias("h"), pl.col(f"k{side}").alias("k"), *whose)
