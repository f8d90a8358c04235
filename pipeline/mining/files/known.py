"""A user's known translation pairs, made ready to be planted among his sentences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.console.errors import InputError
from pipeline.encoders.load import ModelEncoder
from pipeline.mining.files.text import TextInput, read_sides
from pipeline.mining.files.vectors import EmbeddedText, embed_text
from pipeline.mining.judging.planted import FEWEST, Estimate, estimate_threshold
from pipeline.mining.pair_rules import MinedRules
from pipeline.mining.row_texts import RowTexts
from pipeline.mining.sides import SearchedSides
from pipeline.text.rules import broken_rules, pair_rules


@dataclass(frozen=True)
class KnownPairs:
    """Known pairs with their vectors.

    Attributes:
        a: the vectors of their first sides [q, d].
        b: the vectors of their second sides [q, d].
        texts_a: the texts of their first sides [q].
        texts_b: the texts of their second sides [q].
        left_out: pairs that can't be planted: a side is empty, has no vector, stands in the text already or in an earlier
            known pair; or they break a rule, as copies do.
    """

    a: NDArray[np.float16]
    b: NDArray[np.float16]
    texts_a: RowTexts
    texts_b: RowTexts
    left_out: int


def embed_known(
    inputs: tuple[TextInput, TextInput],
    encoder: ModelEncoder,
    mined: tuple[EmbeddedText, EmbeddedText],
    work: Path,
    rules: MinedRules,
) -> KnownPairs:
    """Read and embed known pairs, and leave out those that would meet themselves in the text, or break a rule.

    Args:
        inputs: both sides, aligned row by row.
        encoder: the model.
        mined: both sides of the text in which they are planted.
        work: a folder for temporary files.
        rules: the rules that pairs have to pass.

    Raises:
        UserError: for what can't be read, sides of different length, or too few pairs that can be planted.
    """
    names = ("known-src", "known-trg")
    texts = read_sides(*inputs, (work / f"{names[0]}.arrow", work / f"{names[1]}.arrow"), rules.clean)
    sides = [embed_text(encoder, text, work, name) for text, name in zip(texts, names, strict=True)]
    new = np.ones(len(texts[0]), np.bool_)
    for side, text in zip(sides, mined, strict=True):
        new &= (side.vector_of >= 0) & ~np.isin(side.text.keys, text.text.keys)
    rows = np.flatnonzero(new)
    there = [RowTexts.of_table(side.text.table, rows).read(np.arange(len(rows))) for side in sides]
    found = list(pair_rules(rules.clean, rules.languages))
    rows = rows[broken_rules(there, rules.clean, found).is_null().to_numpy()]
    for side in sides:
        rows = rows[np.sort(np.unique(side.vector_of[rows], return_index=True)[1])]
    if len(rows) < FEWEST:
        raise InputError(
            inputs[0].path,
            f"{len(rows)} known pairs that can be planted (of {len(texts[0]):,}; the others have no text, repeat, break a "
            f"rule, or stand in the text that is mined); expected at least {FEWEST}",
        )
    one, other = (np.asarray(side.vectors[side.vector_of[rows]]) for side in sides)
    texts_a, texts_b = (RowTexts.of_table(side.text.table, rows) for side in sides)
    return KnownPairs(one, other, texts_a, texts_b, len(texts[0]) - len(rows))


def known_estimate(known: KnownPairs, found: SearchedSides) -> Estimate:
    """The threshold that known pairs give; see `pipeline.mining.judging.planted.estimate_threshold`."""
    a, b, run = found.a, found.b, found.run
    rules = None if run.rules is None else run.rules.between(a.texts.then(known.texts_a), b.texts.then(known.texts_b))
    neighbors = found.search.neighbors
    return estimate_threshold(a.vectors, b.vectors, neighbors, known.a, known.b, run.options, rules=rules)
