"""Numbers as people write and read them: 100M pairs, 3 h 20 min, 1.5 TB."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from pipeline.console.errors import UserError

SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}
NUMBER = re.compile(r"((?:\d{1,3}(?:,\d{3})+|\d+(?:_\d+)*)(?:\.\d+)?)\s*([kmbgt]?)", re.IGNORECASE)


def parse_count(text: str, name: str) -> int:
    """A count such as ``100M``, ``1.5B``, ``20_000`` or ``3,000,000``.

    Args:
        text: what the user wrote, such as ``1.5B``.
        name: the option's name, for the message.

    Raises:
        UserError: if it is none.

    >>> parse_count("100M", "--pairs"), parse_count("1.5b", "--mine"), parse_count("3,000", "--pairs")
    (100000000, 1500000000, 3000)
    """
    if (match := NUMBER.fullmatch(text.strip())) is not None:
        value = float(re.sub("[,_]", "", match[1])) * SUFFIXES[match[2].lower()]
        if value == int(value):
            return int(value)
    raise UserError(f"{name}: found {text!r}; expected a number such as 250000, 100M or 1.5B")


def count_text(value: float) -> str:
    """A count with three digits and a suffix.

    >>> count_text(999), count_text(100_000_000), count_text(1_234_567_890)
    ('999', '100M', '1.23B')
    """
    return _scaled(value, (("T", 10**12), ("B", 10**9), ("M", 10**6), ("k", 10**3), ("", 1)))


def bytes_text(value: float) -> str:
    """Bytes, in powers of ten as disks and networks are sold.

    >>> bytes_text(512), bytes_text(2_340_000_000_000)
    ('512 B', '2.34 TB')
    """
    return _scaled(value, ((" PB", 10**15), (" TB", 10**12), (" GB", 10**9), (" MB", 10**6), (" kB", 10**3), (" B", 1)))


def duration_text(seconds: float) -> str:
    """A time, to the precision of an estimate.

    >>> [duration_text(value) for value in (0.4, 75, 5_000, 200_000, 9e7)]
    ['0.4 s', '75 s', '1.4 h', '2.3 days', '2.9 years']
    """
    for unit, size, least in (("years", 31_557_600, 2), ("days", 86_400, 2), ("h", 3_600, 1.3), ("min", 60, 2)):
        if seconds >= least * size:
            return f"{seconds / size:,.1f} {unit}" if seconds / size < 10_000 else f"{_three(seconds / size)} {unit}"
    return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"


def _scaled(value: float, units: Sequence[tuple[str, int]]) -> str:
    suffix, size = next((unit for unit in units if value >= unit[1]), units[-1])
    return f"{_three(value / size)}{suffix}"


def _three(value: float) -> str:
    """Three significant digits, without an exponent or needless zeros."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
