"""Blocks: one to ``most`` adjacent sentences of a document, joined, as what may stand on one side of an alignment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.corpora.inline import BORDER, spaced
from pipeline.evaluation.embedded import Embedded

MAX_CHARS = 10_000
"""Of a block that is embedded; no model reads as many, and a line may have a megabyte."""

Blocks = NDArray[np.floating]
"""Vectors of blocks [sizes, sentences, d], L2-normalised or zero: the block at [s - 1, i] has the s sentences that end with
sentence i. Where fewer sentences stand before (i < s - 1) there is none, and the vector is zero."""


def join(sentences: Sequence[str]) -> str:
    """Adjacent sentences as one text: with a space between, unless both neighbours are of a script without.

    >>> join(["One.", "Two."]), join(["一。", "二。"])
    ('One. Two.', '一。二。')
    """
    return spaced(BORDER.join(sentences))


def block_texts(sentences: Sequence[str], most: int) -> list[list[str]]:
    """The texts of all blocks, by size: the list at s - 1 has those of s sentences, in the order of their last ones.

    Args:
        sentences: the sentences of a document.
        most: sentences of the largest blocks.
    """
    return [
        [join(sentences[end - size : end])[:MAX_CHARS] for end in range(size, len(sentences) + 1)]
        for size in range(1, most + 1)
    ]


def block_vectors(sentences: Sequence[str], embedded: Embedded, most: int) -> Blocks:
    """The vectors of a document's blocks, out of those of all texts; see `Blocks`."""
    dimension = embedded.vectors.shape[1]
    blocks = np.zeros((most, len(sentences), dimension), embedded.vectors.dtype)
    for size, texts in enumerate(block_texts(sentences, most), 1):
        if texts:
            blocks[size - 1, size - 1 :] = embedded.vectors[embedded.rows(texts)]
    return blocks
