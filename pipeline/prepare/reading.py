"""The first pass, its reading: every corpus once, as chunks of numbered rows for `pipeline.prepare.cleaning`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.config.prepare import HeldOut
from pipeline.console.errors import UserError
from pipeline.console.progress import Advance
from pipeline.corpora.base import NOT_BAD, Chunk, ReadRequest, Unit, coalesced
from pipeline.corpora.named import check_names
from pipeline.corpora.registry import READERS
from pipeline.prepare.account import Account
from pipeline.prepare.cleaning import ChunkToClean

EARLY_UNITS = 100_000
"""A corpus is checked against the limit of bad units when it has given so many, not only at its end."""


@dataclass(frozen=True)
class CleaningWork:
    """A corpus (or one-sided text) to be read.

    Attributes:
        number: the corpus' position among all.
        format: the name of its format.
        request: what is asked of the reader.
        units: what the reader found.
        heldout: which of its documents are held out, if any.
    """

    number: int
    format: str
    request: ReadRequest
    units: list[Unit]
    heldout: HeldOut | None


def plan(works: Sequence[tuple[str, ReadRequest, HeldOut | None]]) -> list[CleaningWork]:
    """Find the files of all corpora, before any is read.

    Raises:
        UserError: if files are missing, names contradict the languages they are given for, or two corpora read the same
            file for the same languages.
    """
    planned = [
        CleaningWork(number, kind, request, READERS[kind].units(request), heldout)
        for number, (kind, request, heldout) in enumerate(works)
    ]
    seen: dict[tuple[str, tuple[str, ...], tuple[tuple[str, str | int], ...]], str] = {}
    for work in planned:
        check_names(work.request, work.units)
        for unit in work.units:
            for source in unit.sources:
                for group in unit.groups:
                    identity = (f"{source.path.resolve()}:{source.name}", group, unit.columns)
                    other = seen.setdefault(identity, work.request.name)
                    if other != work.request.name:
                        raise UserError(f"corpora {other} and {work.request.name} both read {source.name}")
    return planned


class FirstPass:
    """Reads and numbers rows, of each corpus at most ``limit`` (for a dry run; None: all)."""

    def __init__(self, max_bad_share: float, account: Account, limit: int | None = None) -> None:
        self.max_bad_share, self.account, self.limit = max_bad_share, account, limit
        self.order = 0

    def chunks(self, works: Sequence[CleaningWork], advance: Advance) -> Iterator[ChunkToClean]:
        """The rows of all corpora, in their order. Holds one chunk.

        Raises:
            UserError: if too much of a corpus can't be read.
        """
        for work in works:
            yield from self._corpus(work, advance)

    def _corpus(self, work: CleaningWork, advance: Advance) -> Iterator[ChunkToClean]:
        account, read = self.account.corpora[work.number], 0
        first_bad, checked = "", False
        for chunk in coalesced(self._chunks(work, advance)):
            bad = chunk.frame.filter(pl.col("reason").is_not_null() & ~pl.col("reason").is_in(NOT_BAD))
            self.account.read(work.number, chunk.languages, chunk.frame.height)
            account.bad, read = account.bad + bad.height, read + chunk.frame.height
            if bad.height and not first_bad:
                row = bad.row(0, named=True)
                first_bad = f"{row['file']}:{row['line']}: {row['reason']} {row['detail'] or ''}".rstrip()
            yield ChunkToClean(chunk.languages, self._numbered(chunk, work), work.heldout)
            if read >= EARLY_UNITS and not checked:
                checked = True
                self.account.check_bad_share(work.number, self.max_bad_share, first_bad)
        self.account.check_bad_share(work.number, self.max_bad_share, first_bad)

    def _chunks(self, work: CleaningWork, advance: Advance) -> Iterator[Chunk]:
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

    def _numbered(self, chunk: Chunk, work: CleaningWork) -> pl.DataFrame:
        frame = chunk.frame.with_columns(
            pl.int_range(self.order, self.order + chunk.frame.height).alias("order"),
            pl.lit(work.number, pl.UInt16).alias("corpus"),
            pl.lit(" ".join(chunk.languages)).alias("languages"),
        )
        self.order += frame.height
        return frame
