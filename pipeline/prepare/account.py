"""The account of prepare: every unit that was read is kept, held out or rejected, and is counted once."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.console.errors import UserError


@dataclass
class UnitAccount:
    """What became of the units of one language pair (or one language) of a corpus.

    Attributes:
        read: units read.
        kept: training pairs, or sentences to be mined.
        heldout: known pairs kept from training.
        rejected: units by reason.
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
        read: units read (a unit is a pair of one language pair, or a document or line that gave none).
        kept: training pairs, or sentences to be mined.
        heldout: known pairs kept from training.
        rejected: units by reason.
        bad: units that could not be read (their reasons are among ``rejected``).
        outcomes: the same by languages, which a space joins.
    """

    read: int = 0
    kept: int = 0
    heldout: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    bad: int = 0
    outcomes: defaultdict[str, UnitAccount] = field(default_factory=lambda: defaultdict(UnitAccount))

    def as_dict(self) -> dict[str, Any]:
        """For the metrics; the counts add up.

        Raises:
            AssertionError: if they don't (a defect of softalign).
        """
        if self.read != self.kept + self.heldout + self.rejected.total():
            raise AssertionError(
                f"{self.read} read, but {self.kept} + {self.heldout} + {self.rejected.total()} accounted for"
            )
        return {
            "read": self.read,
            "kept": self.kept,
            "heldout": self.heldout,
            "rejected": dict(sorted(self.rejected.items())),
        }


class Account:
    """The counts of all corpora.

    Args:
        names: the corpora, in order; frames name them by position in a column ``corpus``.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.corpora = [CorpusAccount() for _ in names]

    def read(self, corpus: int, languages: tuple[str, ...], count: int) -> None:
        """Count units of a corpus as read."""
        self.corpora[corpus].read += count
        self.corpora[corpus].outcomes[" ".join(languages)].read += count

    def kept(self, frame: pl.DataFrame) -> None:
        """Count rows as kept."""
        for corpus, languages, count in frame.group_by("corpus", "languages").len().iter_rows():
            self.corpora[corpus].kept += count
            self.corpora[corpus].outcomes[languages].kept += count

    def heldout(self, frame: pl.DataFrame) -> None:
        """Count rows as held out."""
        for corpus, languages, count in frame.group_by("corpus", "languages").len().iter_rows():
            self.corpora[corpus].heldout += count
            self.corpora[corpus].outcomes[languages].heldout += count

    def rejected(self, frame: pl.DataFrame) -> None:
        """Count rows as rejected for their ``reason``; frames may come in any order."""
        first = [pl.col(name).sort_by("order").first() for name in ("file", "line", "detail")]
        found = frame.group_by("corpus", "languages", "reason").agg(pl.len(), pl.col("order").min(), *first)
        for corpus, languages, reason, count, order, file, line, detail in found.iter_rows():
            self.corpora[corpus].rejected[reason] += count
            outcome = self.corpora[corpus].outcomes[languages]
            outcome.rejected[reason] += count
            place = f"{file}:{line}{f' {detail}' if detail else ''}"
            outcome.first[reason] = min(outcome.first.get(reason, (order, place)), (order, place))

    def check_bad_share(self, corpus: int, limit: float, first: str) -> None:
        """Stop a corpus of which too much could not be read.

        Args:
            corpus: its position.
            limit: the largest share allowed.
            first: where and why the first bad unit was met.

        Raises:
            UserError: naming the corpus, the share, and the first bad unit.
        """
        account = self.corpora[corpus]
        if account.bad > limit * account.read:
            raise UserError(
                f"corpus {self.names[corpus]}: {account.bad:,} of {account.read:,} units could not be read "
                f"({account.bad / account.read:.1%}), but prepare.max_bad_share is {limit:.1%}; the first: {first}"
            )

    def as_dict(self) -> dict[str, Any]:
        """By corpus, for the metrics."""
        return {name: account.as_dict() for name, account in zip(self.names, self.corpora, strict=True)}


def describe(metrics: dict[str, Any]) -> str:
    """The account of `pipeline.prepare.prepare.prepare` or `dry_run` as lines for a person to read.

    Args:
        metrics: what either returned.
    """
    lines = []
    for name, account in metrics["corpora"].items():
        lines.append(f"{name}: {account['read']:,} read, {account['kept']:,} kept, {account['heldout']:,} held out")
        rejected = sorted(account["rejected"].items(), key=lambda item: (-item[1], item[0]))
        lines += [f"  {count:>12,}  {reason}" for reason, count in rejected]
    for name, found in metrics["benchmarks"].items():
        lines.append(f"benchmark {name}: {found['removed']:,} pairs left out for its {found['sentences']:,} sentences")
    lines += [f"{name}: {count:,} training pairs" for name, count in metrics["pairs"].items()]
    lines += [f"note: {note}" for note in metrics.get("notes", ())]
    return "\n".join(lines)
