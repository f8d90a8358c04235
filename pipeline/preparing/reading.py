"""The first pass: read every corpus once, clean it, give every row its keys and its set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.config import Clean, HeldOut
from pipeline.corpora.base import NOT_BAD, Chunk, Request, Unit, coalesced
from pipeline.corpora.registry import READERS
from pipeline.errors import UserError
from pipeline.preparing.account import Account
from pipeline.preparing.benchmarks import Benchmarks
from pipeline.preparing.keys import fractions, text_keys
from pipeline.preparing.rejects import Rejects
from pipeline.progress import Advance
from pipeline.text.identify import language_probability
from pipeline.text.normalize import clean_text, normal_form
from pipeline.text.rules import first_broken, rules

TRAIN, DEV, TEST = 0, 1, 2
EARLY_UNITS = 100_000
"""A corpus is checked against the limit of bad units when it has given so many, not only at its end."""


@dataclass(frozen=True)
class Work:
    """A corpus (or one-sided text) to be read.

    Attributes:
        number: its position among all corpora.
        format: its format.
        request: what is asked of the reader.
        units: what the reader found.
        heldout: which documents of it are held out, if any.
    """

    number: int
    format: str
    request: Request
    units: list[Unit]
    heldout: HeldOut | None


def plan(works: Sequence[tuple[str, Request, HeldOut | None]]) -> list[Work]:
    """Find the files of all corpora, before any is read.

    Raises:
        UserError: if files are missing, or two corpora read the same file for the same languages.
    """
    planned = [
        Work(number, kind, request, READERS[kind].units(request), heldout)
        for number, (kind, request, heldout) in enumerate(works)
    ]
    seen: dict[tuple[str, tuple[str, ...], tuple[tuple[str, str | int], ...]], str] = {}
    for work in planned:
        for unit in work.units:
            for source in unit.sources:
                for group in unit.groups:
                    identity = (f"{source.path.resolve()}:{source.name}", group, unit.columns)
                    other = seen.setdefault(identity, work.request.name)
                    if other != work.request.name:
                        raise UserError(f"corpora {other} and {work.request.name} both read {source.name}")
    return planned


class FirstPass:
    """Reads, cleans and numbers rows.

    Args:
        clean: the cleaning rules.
        max_bad_share: see `pipeline.config.Prepare`.
        benchmarks: what must not be trained on.
        account: gets the counts.
        rejects: gets what is left out.
        limit: read at most so many units of each corpus (for a dry run); None: all.
    """

    def __init__(
        self,
        clean: Clean,
        max_bad_share: float,
        benchmarks: Benchmarks,
        account: Account,
        rejects: Rejects,
        limit: int | None = None,
    ) -> None:
        self.clean, self.max_bad_share, self.benchmarks = clean, max_bad_share, benchmarks
        self.account, self.rejects, self.limit = account, rejects, limit
        self.order = 0

    def read(self, work: Work, advance: Advance) -> Iterator[tuple[tuple[str, ...], pl.DataFrame]]:
        """The clean rows of a corpus with their languages; see `_keyed` for the columns. Holds one chunk.

        Raises:
            UserError: if too much of the corpus can't be read.
        """
        account = self.account.corpora[work.number]
        first_bad, checked = "", False
        for chunk in coalesced(self._chunks(work, advance)):
            bad = chunk.frame.filter(pl.col("reason").is_not_null() & ~pl.col("reason").is_in(NOT_BAD))
            account.read += chunk.frame.height
            account.bad += bad.height
            if bad.height and not first_bad:
                row = bad.row(0, named=True)
                first_bad = f"{row['file']}:{row['line']}: {row['reason']} {row['detail'] or ''}".rstrip()
            yield chunk.languages, self._clean(chunk, work)
            if account.read >= EARLY_UNITS and not checked:
                checked = True
                self.account.check_bad_share(work.number, self.max_bad_share, first_bad)
        self.account.check_bad_share(work.number, self.max_bad_share, first_bad)

    def _chunks(self, work: Work, advance: Advance) -> Iterator[Chunk]:
        left = self.limit
        for unit in work.units:
            for chunk in READERS[work.format].read(unit, work.request):
                if left is None:
                    yield chunk
                    continue
                frame = chunk.frame.head(left)
                left -= frame.height
                yield Chunk(chunk.languages, frame)
                if left == 0:
                    return
            advance(sum(source.size for source in unit.sources), note=work.request.name)

    def _clean(self, chunk: Chunk, work: Work) -> pl.DataFrame:
        frame = chunk.frame.with_columns(
            pl.int_range(self.order, self.order + chunk.frame.height).alias("order"),
            pl.lit(work.number, pl.UInt16).alias("corpus"),
            pl.lit(" ".join(chunk.languages)).alias("languages"),
        )
        self.order += frame.height
        unread = frame.filter(pl.col("reason").is_not_null())
        frame = frame.filter(pl.col("reason").is_null())
        sides = ["a", "b"][: len(chunk.languages)]
        raw = frame.select("order", *(pl.col(side).alias(f"raw_{side}") for side in sides))
        form, control = self.clean.normalization, self.clean.control_characters
        # Lazy, because only then are expressions that the rules share computed once.
        frame = (
            frame.lazy()
            .with_columns(clean_text(pl.col(side), form, control).alias(side) for side in sides)
            .with_columns(normal_form(pl.col(side)).alias(f"n{side}") for side in sides)
            .with_columns(first_broken(rules(self.clean, chunk.languages)).alias("reason"))
            .collect()
        )
        self.rejects.add(unread)
        frame = self._sift(frame, raw, sides)
        if self.clean.min_language:
            frame = self._sift(self._identified(frame, chunk.languages), raw, sides)
        frame = _keyed(frame, sides, work.heldout)
        if self.benchmarks.names and len(sides) == 2:
            train = pl.col("set") == TRAIN
            found = self.benchmarks.find(frame.filter(train), sides)
            frame = pl.concat([self._sift(found, raw, sides), frame.filter(~train).drop("detail")], how="diagonal")
        return frame.drop("reason", "detail", *(f"n{side}" for side in sides), strict=False)

    def _sift(self, frame: pl.DataFrame, raw: pl.DataFrame, sides: list[str]) -> pl.DataFrame:
        """Send the rows with a reason to the rejects, with their text as it was read; returns the others."""
        rejected = frame.filter(pl.col("reason").is_not_null())
        if rejected.height:
            shown = rejected.select("order").join(raw, on="order", how="left", maintain_order="left")
            self.rejects.add(rejected.with_columns(shown[f"raw_{side}"].alias(side) for side in sides))
        return frame.filter(pl.col("reason").is_null())

    def _identified(self, frame: pl.DataFrame, languages: tuple[str, ...]) -> pl.DataFrame:
        sides = zip(("a", "b"), languages, strict=False)
        likely = [language_probability(frame[side], language) >= self.clean.min_language for side, language in sides]
        wrong = (
            ~pl.DataFrame({str(number): mask for number, mask in enumerate(likely)})
            .select(pl.all_horizontal(pl.all()))
            .to_series()
        )
        return frame.with_columns(pl.when(wrong).then(pl.lit("language")).alias("reason"))


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
