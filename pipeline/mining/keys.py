"""What says which sentences belong together: documents' names, or days.

Two sides that are mined within documents need a key on each row; a control needs the same keys on the wrong rows.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_KEY = -(1 << 40)
"""The day of a row without one."""


def day_numbers(keys: NDArray[np.str_]) -> NDArray[np.int64]:
    """Days since 0001-01-01 of ISO dates (what follows the day is not looked at), or whole numbers as they are.

    An empty key is `NO_KEY`.

    Raises:
        KeyFormatError: naming the first row whose key is neither.

    >>> day_numbers(np.array(["2024-05-24", "2024-05-23T10:00", "7", ""])).tolist()[:3]
    [739030, 739029, 7]
    """
    names, codes = np.unique(keys, return_inverse=True)
    days = np.empty(len(names), dtype=np.int64)
    for place, name in enumerate(names.tolist()):
        try:
            days[place] = _day(name)
        except ValueError:
            row = int((codes == place).argmax())
            raise KeyFormatError(row, name) from None
    found: NDArray[np.int64] = days[codes]
    return found


def _day(name: str) -> int:
    if not name:
        return NO_KEY
    if re.fullmatch(r"-?[0-9]{1,15}", name):
        return int(name)
    return date.fromisoformat(name[:10]).toordinal()


class KeyFormatError(ValueError):
    """A key that is no day.

    Attributes:
        row: the first row that has it.
        key: the key.
    """

    def __init__(self, row: int, key: str) -> None:
        super().__init__(f"row {row}: found {key!r}, expected a date like 2024-05-23 or a whole number")
        self.row, self.key = row, key


def shuffled_keys(keys: NDArray[Any], no_key: Any, seed: int = 0) -> NDArray[Any] | None:
    """Each row's key exchanged for another row's key, whole documents at a time: none keeps its own.

    The sorted names are moved on by about a third to two thirds of their number, so that ordered keys (days) end far from
    where they were.

    Args:
        keys: [n].
        no_key: the value that is no key; it stays.
        seed: the seed of how far.

    Returns:
        The keys [n]; None where there are fewer than three different ones.
    """
    names, codes = np.unique(keys, return_inverse=True)
    real = np.flatnonzero(names != no_key)
    if len(real) < 3:
        return None
    step = int(np.random.default_rng(seed).integers(len(real) // 3, 2 * len(real) // 3 + 1))
    names[real] = names[np.roll(real, max(step, 1))]
    shuffled: NDArray[Any] = names[codes]
    return shuffled
