"""What of a user's text is mined: each different sentence once, or once in each document.

With documents' keys, a sentence that stands in two documents is a candidate in both; it has one vector.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.table_rows import take_rows
from pipeline.console.errors import InputError
from pipeline.ground.arrays import Rows
from pipeline.mining.documents import Restriction, restrict
from pipeline.mining.files.text import OwnText, TextInput, read_text
from pipeline.mining.files.vectors import EmbeddedText
from pipeline.mining.judging.bucc import Sentences
from pipeline.mining.keys import KeyFormatError, day_numbers
from pipeline.search.vectors import PickedVectors, VectorSource

Within = Literal["document", "window"]


@dataclass(frozen=True)
class Keys:
    """Documents' keys of a text.

    Attributes:
        text: what was read as keys, row by row, for messages.
        names: of each row of the sentences [n]; empty where there is none.
    """

    text: OwnText
    names: NDArray[np.str_]

    def days(self) -> NDArray[np.int64]:
        """As days [n].

        Raises:
            InputError: naming the first line that is no date and no whole number.
        """
        try:
            return day_numbers(self.names)
        except KeyFormatError as error:
            place = take_rows(self.text.table.select(["file", "line"]), np.array([error.row])).to_pylist()[0]
            problem = f"found {error.key!r}; expected a date like 2024-05-23 or a whole number"
            raise InputError(place["file"], problem, place["line"]) from None


@dataclass(frozen=True)
class Units:
    """What is mined of one side.

    Attributes:
        vectors: [u, d].
        first: each unit's first row in the text [u].
        of_row: each row's unit [n]; -1 where it has none.
        documents: each unit's document [u], if documents are known.
        days: the same as days [u], if they are to be days.
        ids: of BUCC's files.
    """

    vectors: VectorSource
    first: Rows
    of_row: Rows
    documents: NDArray[np.str_] | None = None
    days: NDArray[np.int64] | None = None
    ids: Sentences | None = None

    def __len__(self) -> int:
        return len(self.first)


def read_keys(source: TextInput, text: OwnText, spill: Path) -> Keys:
    """Read a key for each row of a text; held in memory.

    Args:
        source: the column of the same file, or another file with a line for each row.
        text: the sentences.
        spill: an Arrow file that is written for it.

    Raises:
        UserError: for what can't be read, or another number of rows.
    """
    found = read_text(source, spill)
    if len(found) != len(text):
        raise InputError(
            source.path, f"{len(found):,} documents for the {len(text):,} rows of {text.source.path}; expected one each"
        )
    names = np.array([name.strip() for name in found.table.column("text").to_pylist()], dtype=np.str_)
    return Keys(found, np.where(found.usable, names, ""))


def units_of(side: EmbeddedText, keys: Keys | None = None, within: Within | None = None) -> Units:
    """The units of a side; with keys, a sentence is one in each document that it stands in.

    Args:
        side: sentences and vectors.
        keys: of their rows.
        within: how keys will be used: ``window`` reads them as days.

    Raises:
        InputError: if a key is no day.
    """
    if keys is None:
        return Units(side.vectors, side.first, side.vector_of, ids=side.text.ids)
    rows = np.flatnonzero(side.vector_of >= 0)
    _, codes = np.unique(keys.names[rows], return_inverse=True)
    both = codes * np.int64(len(side.vectors)) + side.vector_of[rows]
    _, first, group = np.unique(both, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    of_row = np.full(len(side.vector_of), -1, np.int64)
    of_row[rows] = place[group]
    firsts = rows[first[order]]
    units = Units(PickedVectors(side.vectors, side.vector_of[firsts]), firsts, of_row, keys.names[firsts], None)
    return replace(units, days=keys.days()[firsts] if within == "window" else None, ids=side.text.ids)


def restriction(a: Units, b: Units, within: Within, window: int, shuffled: int | None = None) -> Restriction | None:
    """What may be paired with what.

    Args:
        a: units with documents (or days).
        b: the same of the other side.
        within: documents of the same name, or days at most ``window`` apart.
        window: in days.
        shuffled: a seed: side a's documents are exchanged for others first, for a control.

    Returns:
        The restriction; None where there are too few documents to be shuffled.
    """
    keys_a, keys_b = (side.days if within == "window" else side.documents for side in (a, b))
    if keys_a is None or keys_b is None:
        raise ValueError(f"units without documents can't be mined within a {within}")
    return restrict(keys_a, keys_b, window if within == "window" else None, shuffled)
