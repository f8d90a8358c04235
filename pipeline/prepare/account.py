"""The account of prepare: every unit that was read is kept, held out or rejected, and is counted once."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.console.errors import UserError


@dataclass
class UnitAccount:
    """What became of units: of one language pair (or one language) of a corpus, or of a corpus.

    Attributes:
        read: the units that were read (a unit is a pair of one language pair, or a document or line that gave none).
        kept: the training pairs, or the sentences to be mined.
        heldout: the known pairs that are kept from training.
        rejected: the units left out, by reason.
        first: for each reason, the first unit's number, and where it stands with what was found.
    """

    read: int = 0
    kept: int = 0
    heldout: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    first: dict[str, tuple[int, str]] = field(default_factory=dict)


@dataclass
class CorpusAccount:
    """The counts of one corpus.

    Attributes:
        bad: the units that could not be read (their reasons are among those rejected).
        outcomes: what became of the units of each language pair (or language), its languages joined by a space.
    """

    bad: int = 0
    outcomes: defaultdict[str, UnitAccount] = field(default_factory=lambda: defaultdict(UnitAccount))

    @property
    def total(self) -> UnitAccount:
        """What became of all units (without ``first``)."""
        parts = self.outcomes.values()
        read, kept, heldout = (sum(getattr(part, of) for part in parts) for of in ("read", "kept", "heldout"))
        return UnitAccount(read, kept, heldout, sum((part.rejected for part in parts), Counter[str]()))

    def as_dict(self) -> dict[str, Any]:
        """The counts for the metrics; they add up.

        Raises:
            AssertionError: if they don't (a defect of softalign).
        """
        of = self.total
        if of.read != of.kept + of.heldout + of.rejected.total():
            raise AssertionError(f"{of.read} read, but {of.kept} + {of.heldout} + {of.rejected.total()} accounted for")
        rejected = dict(sorted(of.rejected.items()))
        return {"read": of.read, "kept": of.kept, "heldout": of.heldout, "rejected": rejected}


class Account:
    """The counts of all corpora; frames name a corpus by its position among ``names`` in a column ``corpus``."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.corpora = [CorpusAccount() for _ in names]

    def read(self, corpus: int, languages: tuple[str, ...], count: int) -> None:
        """Count units of a corpus as read."""
        self.corpora[corpus].outcomes[" ".join(languages)].read += count

    def kept(self, frame: pl.DataFrame) -> None:
        """Count rows as kept."""
        for corpus, languages, count in frame.group_by("corpus", "languages").len().iter_rows():
            self.corpora[corpus].outcomes[languages].kept += count

    def heldout(self, frame: pl.DataFrame) -> None:
        """Count rows as held out."""
        for corpus, languages, count in frame.group_by("corpus", "languages").len().iter_rows():
            self.corpora[corpus].outcomes[languages].heldout += count

    def rejected(self, frame: pl.DataFrame) -> None:
        """Count rows as rejected for their ``reason``; frames may come in any order."""
        first = [pl.col(name).sort_by("order").first() for name in ("file", "line", "detail")]
        found = frame.group_by("corpus", "languages", "reason").agg(pl.len(), pl.col("order").min(), *first)
        for corpus, languages, reason, count, order, file, line, detail in found.iter_rows():
            outcome = self.corpora[corpus].outcomes[languages]
            outcome.rejected[reason] += count
            place = f"{file}:{line}{f' {detail}' if detail else ''}"
            outcome.first[reason] = min(outcome.first.get(reason, (order, place)), (order, place))

    def check_bad_share(self, corpus: int, limit: float, first: str) -> None:
        """Stop a corpus (its position) of which more than the share ``limit`` could not be read.

        Raises:
            UserError: naming the corpus, the share, and the first bad unit.
        """
        bad, read = self.corpora[corpus].bad, self.corpora[corpus].total.read
        if bad > limit * read:
            raise UserError(
                f"corpus {self.names[corpus]}: {bad:,} of {read:,} units could not be read "
                f"({bad / read:.1%}), but prepare.max_bad_share is {limit:.1%}; the first: {first}"
            )

    def as_dict(self) -> dict[str, Any]:
        """The counts by corpus, for the metrics."""
        return {name: account.as_dict() for name, account in zip(self.names, self.corpora, strict=True)}
