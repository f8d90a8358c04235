"""How near an exported graph's vectors are to the original's, measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.console.errors import UserError

EXACT = 0.9999
"""The least cosine of a float32 graph: anything lower is a wrong graph, not rounding."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """Cosines between the original's and the export's vectors of the same sentences."""

    sentences: int  # how many were compared
    lowest: float  # the lowest cosine
    mean: float  # the mean cosine
    nearest: float  # the share of sentences whose nearest other sentence of the sample is the same in both

    def as_dict(self) -> dict[str, Any]:
        """For metadata, to five digits; the lowest cosine is cut, never rounded up."""
        return {
            "sentences": self.sentences,
            "lowest_cosine": float(np.floor(self.lowest * 1e5) / 1e5),
            "mean_cosine": round(self.mean, 5),
            "same_nearest": round(self.nearest, 5),
        }


def compare(original: Vectors, exported: Vectors) -> Agreement:
    """Compare vectors of the same sentences.

    Args:
        original: the original's vectors [n, d], L2-normalised; rows of zeros (sentences of no tokens) are left out, but must
            be zero in both.
        exported: the export's vectors [n, d].

    Raises:
        UserError: if an exported vector is not finite, or there is nothing to compare.
    """
    if not np.isfinite(exported).all():
        raise UserError("--to onnx: the exported graph gave a vector that is not finite")
    there = original.any(axis=1) | exported.any(axis=1)
    if not there.any():
        raise UserError("--to onnx: the model makes a vector of no sentence of the sample")
    a, b = original[there].astype(np.float64), exported[there].astype(np.float64)
    cosines = np.minimum(np.einsum("nd,nd->n", a, b), 1.0)
    return Agreement(len(a), float(cosines.min()), float(cosines.mean()), float(np.mean(_nearest(a) == _nearest(b))))


def require(found: Agreement, least: float, file: str, option: str | None) -> None:
    """Refuse an export that is too far from the original.

    Args:
        found: what was measured.
        least: the lowest cosine that is accepted.
        file: the graph, for the message.
        option: the option that sets ``least``; None if none does.

    Raises:
        UserError: saying what was found and expected.
    """
    if found.lowest < least:
        advice = f"lower {option}, or use onnx/model.onnx" if option else "the graph is wrong; please report this"
        raise UserError(
            f"{file}: the lowest cosine to the original is {found.as_dict()['lowest_cosine']:.5f} over "
            f"{found.sentences} sentences, expected at least {least}; nothing was written ({advice})"
        )


def _nearest(vectors: NDArray[np.float64]) -> NDArray[np.int64]:
    if len(vectors) == 1:
        return np.zeros(1, dtype=np.int64)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    # Rounded: duplicates tie, and the last bits must not decide between them.
    nearest: NDArray[np.int64] = np.round(similarity, 6).argmax(axis=1)
    return nearest
