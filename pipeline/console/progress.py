"""Progress of long work: a bar with rate and time left on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

log = logging.getLogger(__name__)

LOG_SECONDS = 10.0
"""Seconds between two lines of the same work in a log."""


class Advance(Protocol):
    """Called with how many units were done since the last call, and what to say beside them."""

    def __call__(self, count: int = 1, /, note: str = "") -> None:
        """Count units as done."""


@contextmanager
def progress(label: str, total: int, unit: str = "rows") -> Iterator[Advance]:
    """Show the progress of ``total`` units of the work called ``label``, on standard error."""
    if not sys.stderr.isatty():
        yield _LogLines(label, total, unit)
        return
    from pipeline.console.bar import bar  # imports Rich

    with bar(label, total, unit) as advance:
        yield advance


class _LogLines:
    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done, self.start = 0, time.monotonic()
        self.last = self.start

    def __call__(self, count: int = 1, /, note: str = "") -> None:
        self.done += count
        now = time.monotonic()
        if now - self.last < LOG_SECONDS and self.done < self.total:
            return
        if self.done >= self.total and now - self.start < 1.0:
            return
        self.last = now
        rate = self.done / max(now - self.start, 1e-9)
        left = (self.total - self.done) / max(rate, 1e-9)
        done = f"{self.done:,} of {self.total:,} {self.unit}, {rate:,.0f}/s, {left:,.0f} s left"
        log.info("%s: %s%s", self.label, done, f", {note}" if note else "")
