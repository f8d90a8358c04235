"""Evaluation during training: retrieval on the held-out dev documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.artifacts.folders import TokenFolder
from pipeline.artifacts.pairs import HeldOutFolder
from pipeline.artifacts.tokens import TokenBatch
from pipeline.encoders.model import SentenceModel, embed
from pipeline.search.translation_retrieval import retrieve
from pipeline.training.collapse import CosineSpread, spread


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


@dataclass(frozen=True)
class DevScore:
    """What a student does on one language pair.

    Attributes:
        accuracy: of retrieval, the mean of both directions.
        spread: of cosines; None for fewer than two pairs.
    """

    accuracy: float
    spread: CosineSpread | None


def dev_scores(model: SentenceModel, dev: Sequence[DevSet], batch_tokens: int) -> dict[str, DevScore]:
    """Scores by language pair; the model is left in training mode."""
    model.eval()
    try:
        return {part.name: _score(model, part, batch_tokens) for part in dev}
    finally:
        model.train()


def _score(model: SentenceModel, part: DevSet, batch_tokens: int) -> DevScore:
    a, b = (embed(model, side, batch_tokens) for side in (part.a, part.b))
    return DevScore(retrieve(a, b).accuracy, spread(a, b))
