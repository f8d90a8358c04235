"""A user's known translation pairs, made ready to be planted among his sentences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.config.mine import Mine
from pipeline.console.errors import InputError
from pipeline.encoders.load import ModelEncoder
from pipeline.mining.files.text import TextInput, read_text
from pipeline.mining.files.vectors import EmbeddedText, embed_text
from pipeline.mining.judging.planted import FEWEST, Estimate, estimate_threshold
from pipeline.search.neighbors import Neighbors


@dataclass(frozen=True)
class Known:
    """Known pairs with their vectors.

    Attributes:
        a: vectors of their first sides [q, d].
        b: of their second sides [q, d].
        left_out: pairs that can't be planted: a side is empty, has no vector, stands in the text already or in an earlier
            known pair.
    """

    a: NDArray[np.float16]
    b: NDArray[np.float16]
    left_out: int


def embed_known(
    inputs: tuple[TextInput, TextInput], encoder: ModelEncoder, a: EmbeddedText, b: EmbeddedText, work: Path
) -> Known:
    """Read and embed known pairs, and leave out those that would meet themselves in the text.

    Args:
        inputs: both sides, aligned row by row.
        encoder: the model.
        a: the text of the first language.
        b: the text of the second.
        work: a folder for temporary files.

    Raises:
        UserError: for what can't be read, sides of different length, or too few pairs that can be planted.
    """
    names = ("known-src", "known-trg")
    texts = [read_text(side, work / f"{name}.arrow") for side, name in zip(inputs, names, strict=True)]
    if len(texts[0]) != len(texts[1]):
        raise InputError(
            f"{inputs[0].path} and {inputs[1].path}",
            f"{len(texts[0]):,} and {len(texts[1]):,} lines; expected known pairs, aligned line by line",
        )
    sides = [embed_text(encoder, text, work, name) for text, name in zip(texts, names, strict=True)]
    new = np.ones(len(texts[0]), np.bool_)
    for side, text in zip(sides, (a, b), strict=True):
        new &= (side.vector_of >= 0) & ~np.isin(side.text.keys, text.text.keys)
    rows = np.flatnonzero(new)
    for side in sides:
        rows = rows[np.sort(np.unique(side.vector_of[rows], return_index=True)[1])]
    if len(rows) < FEWEST:
        raise InputError(
            inputs[0].path,
            f"{len(rows)} known pairs that can be planted (of {len(texts[0]):,}; the others have no text, repeat, or stand "
            f"in the text that is mined); expected at least {FEWEST}",
        )
    one, other = (np.asarray(side.vectors[side.vector_of[rows]]) for side in sides)
    return Known(one, other, len(texts[0]) - len(rows))


def known_estimate(known: Known, a: EmbeddedText, b: EmbeddedText, neighbors: Neighbors, options: Mine) -> Estimate:
    """The threshold that known pairs give; see `pipeline.mining.judging.planted.estimate_threshold`."""
    return estimate_threshold(a.vectors, b.vectors, neighbors, known.a, known.b, options)
