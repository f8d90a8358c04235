"""What of a user's text is mined: each different sentence once, or once in each document.

With documents' keys, a sentence that stands in two documents is a candidate in both; it has one vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.table_rows import take_rows
from pipeline.console.errors import InputError
from pipeline.ground.arrays import Rows
from pipeline.mining.files.text import OwnText, TextInput, read_text
from pipeline.mining.files.vectors import EmbeddedText, first_of_each
from pipeline.mining.judging.bucc import Sentences
from pipeline.mining.keys import KeyFormatError, day_numbers
from pipeline.mining.row_texts import RowTexts
from pipeline.mining.sides import MiningSide
from pipeline.search.vectors import PickedVectors


@dataclass(frozen=True)
class Keys:
    """Documents' keys of a text.

    Attributes:
        text: the keys as they were read, row by row, for messages.
        names: the key of each row of the sentences [n]; empty where there is none.
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
        side: the units' vectors, texts and documents [u].
        first: each unit's first row in the text [u].
        of_row: each row's unit [n]; -1 where it has none.
        ids: the sentences' ids, of BUCC's files.
    """

    side: MiningSide
    first: Rows
    of_row: Rows
    ids: Sentences | None = None


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


def units_of(text: EmbeddedText, keys: Keys | None = None, by_day: bool = False) -> Units:
    """The units of a text; with keys, a sentence is one in each document that it stands in.

    Args:
        text: sentences and vectors.
        keys: the documents of its rows.
        by_day: whether documents are read as days.

    Raises:
        InputError: if a key is to be a day and is none.
    """
    table, ids = text.text.table, text.text.ids
    if keys is None:
        side = MiningSide(text.vectors, RowTexts.of_table(table, text.first))
        return Units(side, text.first, text.vector_of, ids)
    rows = np.flatnonzero(text.vector_of >= 0)
    _, codes = np.unique(keys.names[rows], return_inverse=True)
    both = codes * np.int64(len(text.vectors)) + text.vector_of[rows]
    first, group = first_of_each(both)
    of_row = np.full(len(text.vector_of), -1, np.int64)
    of_row[rows] = group
    firsts = rows[first]
    side = MiningSide(
        PickedVectors(text.vectors, text.vector_of[firsts]),
        RowTexts.of_table(table, firsts),
        keys.names[firsts],
        keys.days()[firsts] if by_day else None,
    )
    return Units(side, firsts, of_row, ids)
