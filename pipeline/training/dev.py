"""Evaluation during training: retrieval on the held-out dev documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.encoders.base import TokenBatch
from pipeline.encoders.model import SentenceModel, embed
from pipeline.evaluation.retrieval import retrieve
from pipeline.folders import TokenFolder
from pipeline.pairs import HeldOutFolder


@dataclass(frozen=True)
class DevSet:
    """The dev pairs of one language pair, tokenized.

    Attributes:
        name: of the language pair.
        a: tokens of the first side's sentences [n].
        b: tokens of their translations [n].
    """

    name: str
    a: TokenBatch
    b: TokenBatch


def load_dev(name: str, heldout: HeldOutFolder, tokens_a: TokenFolder, tokens_b: TokenFolder, limit: int) -> DevSet:
    """The first ``limit`` dev pairs of a language pair (keys are hashes: a fixed random sample)."""
    rows = heldout.rows("dev")[:limit]
    return DevSet(
        name,
        tokens_a.select(tokens_a.rows_of(heldout.a[rows])),
        tokens_b.select(tokens_b.rows_of(heldout.b[rows])),
    )


def dev_accuracy(model: SentenceModel, dev: Sequence[DevSet], batch_tokens: int) -> dict[str, float]:
    """Retrieval accuracy (mean of both directions) by language pair; the model is left in training mode."""
    model.eval()
    try:
        return {
            part.name: retrieve(embed(model, part.a, batch_tokens), embed(model, part.b, batch_tokens)).accuracy
            for part in dev
        }
    finally:
        model.train()
