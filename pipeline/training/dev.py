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

EVAL_TOKENS = 65_536
"""Tokens that go through the student at once."""


@dataclass(frozen=True)
class DevSet:
    """The dev pairs of one language pair, tokenized."""

    name: str  # the language pair's name (``en-fr``)
    a: TokenBatch  # tokens of the first side's sentences [n]
    b: TokenBatch  # tokens of their translations [n]


def load_dev(name: str, heldout: HeldOutFolder, tokens_a: TokenFolder, tokens_b: TokenFolder, limit: int) -> DevSet:
    """The first ``limit`` dev pairs of a language pair (keys are hashes: a fixed random sample)."""
    rows = heldout.rows("dev")[:limit]
    a, b = tokens_a.rows_of(heldout.a[rows]), tokens_b.rows_of(heldout.b[rows])
    return DevSet(name, tokens_a.select(a), tokens_b.select(b))


@dataclass(frozen=True)
class DevScore:
    """What a student does on one language pair."""

    accuracy: float  # the accuracy of retrieval, the mean of both directions
    spread: CosineSpread | None  # how cosines spread; None for fewer than two pairs


def dev_scores(model: SentenceModel, dev: Sequence[DevSet], batch_tokens: int = EVAL_TOKENS) -> dict[str, DevScore]:
    """Scores by language pair; the model is left in training mode."""
    model.eval()
    try:
        scores = {}
        for part in dev:
            a, b = (embed(model, side, batch_tokens) for side in (part.a, part.b))
            scores[part.name] = DevScore(retrieve(a, b).accuracy, spread(a, b))
        return scores
    finally:
        model.train()
