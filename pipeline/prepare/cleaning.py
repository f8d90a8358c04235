"""The first pass, its work: a chunk of rows is cleaned, and what stays gets its keys and its set.

What becomes of a chunk depends on the chunk and the parameters alone, so any worker may do it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.artifacts.keys import fractions, text_keys
from pipeline.compute.work import Count, SetUp
from pipeline.config.prepare import Clean, Decontaminate, HeldOut
from pipeline.prepare.benchmarks import Benchmarks, Removed
from pipeline.text.identify import language_probability
from pipeline.text.normalize import clean_text, normal_form
from pipeline.text.rules import broken_side, first_broken, rules

TRAIN, DEV, TEST = 0, 1, 2
PLACE = ("file", "line")


@dataclass(frozen=True)
class ChunkToClean:
    """Rows of one language pair (or of one language).

    Attributes:
        languages: the language of column ``a`` and, unless the text is one-sided, that of column ``b``.
        frame: rows of `pipeline.corpora.base.SCHEMA`, and ``order``, ``corpus`` and ``languages``.
        heldout: which documents of the corpus are held out, if any.
    """

    languages: tuple[str, ...]
    frame: pl.DataFrame
    heldout: HeldOut | None


@dataclass(frozen=True)
class CleanChunk:
    """What became of a chunk.

    Attributes:
        languages: the chunk's languages.
        frame: the rows that stay, with the columns that `_keyed` adds.
        rejected: the rows that don't stay, with their reason and their text as it was read.
        removed: what each benchmark took of the rows.
    """

    languages: tuple[str, ...]
    frame: pl.DataFrame
    rejected: list[pl.DataFrame] = field(default_factory=list)
    removed: list[Removed] = field(default_factory=list)


def load_cleaner(clean: Clean, decontaminate: Decontaminate, root: Path) -> SetUp[Cleaner]:
    """Read the benchmarks; the set-up of `clean_chunk`. Holds what `Benchmarks` does."""
    cleaner = Cleaner(clean, Benchmarks(decontaminate, root))
    return SetUp(cleaner, cleaner_identity(cleaner.benchmarks))


def cleaner_identity(benchmarks: Benchmarks) -> dict[str, Any]:
    """What a clean chunk depends on besides its rows and the parameters.

    Rows that are equal must have equal hashes, whoever made them; Polars promises that for no other version or processor.
    """
    probe = pl.DataFrame({"a": ["softalign", ""]})
    hashes = [*probe["a"].hash(0).to_list(), *probe.select(pl.struct("a").hash(1)).to_series().to_list()]
    return {"Polars' hash": hashes, "benchmark sentences": benchmarks.sentences}


def clean_chunk(cleaner: Cleaner, item: ChunkToClean, advance: Count) -> CleanChunk:
    """Clean one chunk; holds it about five times over (text as read, cleaned and in its normal form, and what is sent)."""
    cleaned = cleaner.clean(item)
    advance(item.frame.height)
    return cleaned


class Cleaner:
    """Cleans chunks by rules, and by benchmarks that must not be trained on."""

    def __init__(self, rules: Clean, benchmarks: Benchmarks) -> None:
        self.rules, self.benchmarks = rules, benchmarks

    def clean(self, item: ChunkToClean) -> CleanChunk:
        """Clean a chunk."""
        # What the reader rejected goes as it is.
        unread = item.frame.filter(pl.col("reason").is_not_null())
        frame = item.frame.filter(pl.col("reason").is_null())
        sides = ["a", "b"][: len(item.languages)]
        raw = frame.select("order", *(pl.col(side).alias(f"raw_{side}") for side in sides))
        form, control = self.rules.normalization, self.rules.control_characters
        # Clean text, its normal form, and the first rule that is broken. Lazy, because only then are expressions that the
        # rules share computed once.
        frame = (
            frame.lazy()
            .with_columns(clean_text(pl.col(side), form, control).alias(side) for side in sides)
            .with_columns(normal_form(pl.col(side)).alias(f"n{side}") for side in sides)
            .with_columns(first_broken(rules(self.rules, item.languages)).alias("reason"))
            .collect()
        )
        # What a rule rejects goes with its text as it was read; then, the dearest test last, what is in another language.
        frame = frame.with_columns(side=self._blamed(frame, item.languages))
        rejected, removed = [unread], list[Removed]()
        frame = _sift(frame, raw, item.languages, rejected)
        if self.rules.min_language:
            frame = _sift(self._identified(frame, item.languages), raw, item.languages, rejected)
        frame = _keyed(frame, sides, item.heldout)
        # Of the training pairs, what a benchmark asks goes too; held-out pairs are not trained on.
        if self.benchmarks.names and len(sides) == 2:
            train = pl.col("set") == TRAIN
            marked, removed = self.benchmarks.find(frame.filter(train), sides)
            kept = _sift(marked, raw, item.languages, rejected)
            frame = pl.concat([kept, frame.filter(~train).drop("detail")], how="diagonal")
        frame = frame.drop("reason", "detail", "side", *(f"n{side}" for side in sides), strict=False)
        return CleanChunk(item.languages, frame, rejected, removed)

    def _blamed(self, frame: pl.DataFrame, languages: tuple[str, ...]) -> pl.Series:
        """Which side of each row broke the rule about single sides that is its reason; null elsewhere [n]."""
        broken = frame.filter(pl.col("reason").is_not_null()).select("order", side=broken_side(self.rules, languages))
        return frame.select("order").join(broken, on="order", how="left", maintain_order="left")["side"]

    def _identified(self, frame: pl.DataFrame, languages: tuple[str, ...]) -> pl.DataFrame:
        sides = zip(("a", "b"), languages, strict=False)
        likely = [language_probability(frame[side], language) >= self.rules.min_language for side, language in sides]
        wrong = [pl.when(pl.lit(~mask)).then(pl.lit(side)) for side, mask in zip(("a", "b"), likely, strict=False)]
        return frame.with_columns(side=pl.coalesce(wrong)).with_columns(
            reason=pl.when(pl.col("side").is_not_null()).then(pl.lit("language"))
        )


def _sift(
    frame: pl.DataFrame, raw: pl.DataFrame, languages: tuple[str, ...], rejected: list[pl.DataFrame]
) -> pl.DataFrame:
    """Put the rows with a reason to the rejected ones, with their text as it was read; returns the others.

    Where one side is to blame (the column ``side``), the row stands where that side does, and its detail names the language.
    """
    found = frame.filter(pl.col("reason").is_not_null())
    if found.height:
        shown = found.select("order").join(raw, on="order", how="left", maintain_order="left")
        found = found.with_columns(shown[f"raw_{side}"].alias(side) for side in ("a", "b")[: len(languages)])
        place = [pl.coalesce(pl.when(pl.col("side") == "b").then(f"{name}_b"), name).alias(name) for name in PLACE]
        language = pl.col("side").replace_strict(
            dict(zip(("a", "b"), languages, strict=False)), default=None, return_dtype=pl.String
        )
        detail = pl.coalesce("detail", language) if "detail" in found.columns else language
        rejected.append(found.with_columns(*place, detail=detail))
    return frame.filter(pl.col("reason").is_null())


def _keyed(frame: pl.DataFrame, sides: list[str], heldout: HeldOut | None) -> pl.DataFrame:
    """Add keys ``ka``, ``kb``; hashes of the normal forms ``ha``, ``hb`` and, of both, ``n1``, ``n2``; and ``set``.

    The hashes only decide which rows are equal; no output holds them.
    """
    frame = frame.with_columns(text_keys(frame[side]).alias(f"k{side}") for side in sides)
    frame = frame.with_columns(pl.col(f"n{side}").hash(0).alias(f"h{side}") for side in sides)
    if len(sides) == 2:
        both = pl.struct("na", "nb")
        frame = frame.with_columns(both.hash(1).alias("n1"), both.hash(2).alias("n2"), _set(frame, heldout))
    return frame


def _set(frame: pl.DataFrame, heldout: HeldOut | None) -> pl.Series:
    if heldout is None or heldout.share == 0:
        return pl.Series("set", [TRAIN], dtype=pl.UInt8).new_from_index(0, frame.height)
    if (frame["doc"] == "").any():  # no documents: all pairs of one first sentence are one
        hexed = frame["ka"].bin.encode("hex")
        frame = frame.with_columns(pl.when(pl.col("doc") == "").then(hexed).otherwise("doc").alias("doc"))
    names = frame.select(pl.col("doc").unique(maintain_order=True))
    names = names.with_columns(text_keys(names["doc"]).alias("key")).with_columns(fractions("key").alias("fraction"))
    place = frame.select("doc").join(names, on="doc", how="left", maintain_order="left")["fraction"]
    held = (place < heldout.share).cast(pl.UInt8)
    return (held * (1 + (place >= heldout.share / 2).cast(pl.UInt8))).alias("set")
