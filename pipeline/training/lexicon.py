"""A lexicon out of the parallel text: where the token vectors of a student with the teacher's layers start.

The teacher's vocabulary says nothing of most tokens of other languages, and something wrong of those that only look like its
own ("chat" in French). But a static student of the same pairs, trained in a minute, knows which tokens mean the same: they
are near each other. So every token that is not the teacher's own starts at a weighted mean of those that are,

    e_t = Σ_s w_ts·e_s,    w_ts = softmax over the k nearest s of cos(v_t, v_s)/τ,

with e the token vectors under the teacher's layers and v the static student's. Before its first step the student reads a
sentence as the teacher would read its gloss, word by word. WECHSEL (Minixhofer et al. 2022, arXiv 2112.06598) and FOCUS
(Dobler & de Melo 2023, arXiv 2305.14481) start token vectors by such means, from dictionaries and word vectors of one
language each; parallel text needs neither.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.artifacts.folders import TokenFolder
from pipeline.config.train import Lexicon, LossTerm, Temperatures, Train
from pipeline.encoders.model import SentenceModel, TransformerModel, fresh_static
from pipeline.encoders.tokenization import SPECIAL_TOKENS, TextTokenizer, load_tokenizer
from pipeline.encoders.transplant import token_sources
from pipeline.training.data import TrainingPairs
from pipeline.training.objective import training_loss
from pipeline.training.trainer import Trainer

log = logging.getLogger(__name__)

LOSS = [
    LossTerm(name="soft", temperature=Temperatures(teacher=0.07, student=0.1)),
    LossTerm(name="corpus", anchors=1024, temperature=Temperatures(teacher=0.05, student=0.05)),
]
"""Always the loss that serves static students best (docs/experiments.md), whatever the student itself is trained with."""
ROWS = 1024
"""Tokens whose similarities to all of the teacher's tokens are held at once."""


@dataclass(frozen=True)
class LexiconText:
    """The parallel text, and how a static student is trained on it."""

    accelerator: Accelerator  # devices, precision, processes
    pairs: Sequence[TrainingPairs]  # the language pairs
    tokens: Mapping[str, TokenFolder]  # the student's tokens by language
    teacher_languages: Sequence[str]  # the languages that the teacher knows
    seed: int  # the static student's seed
    identity: str  # the static student's training; a checkpoint of another is ignored
    checkpoints: Path  # the folder of the static student's checkpoint


def start_from_lexicon(
    student: SentenceModel, teacher: Path, tokenizer: TextTokenizer, text: LexiconText, lexicon: Lexicon
) -> None:
    """Move a student's token vectors to where the lexicon says, in place; all processes must call it.

    The student has the teacher's layers and its own tokenizer, and is not yet trained; ``teacher`` is the teacher's folder.
    Holds a static student while it trains (`train_static`), and the token vectors.

    Raises:
        ValueError: if the student is static.
    """
    if not isinstance(student, TransformerModel):
        raise ValueError("a static student has no layers of the teacher's")
    # The teacher's own tokens: it has a vector for them, and they are common in the languages that it knows.
    old = load_tokenizer(teacher, "", tokenizer.max_length, special_tokens=False)
    sourced = np.array([bool(source) for source in token_sources(old, tokenizer)])
    size = len(sourced)
    known = token_counts([text.tokens[language] for language in text.teacher_languages], size)
    counts = token_counts(list(text.tokens.values()), size)
    kept = sourced & (known > 0) & (known >= lexicon.share * counts)
    others = ~kept & (counts > 0)
    # Special tokens mean nothing, and keep the teacher's vectors: they are the tokenizer's first.
    kept[: len(SPECIAL_TOKENS)] = others[: len(SPECIAL_TOKENS)] = False
    own = kept & (known >= lexicon.frequency)
    if not own.any():
        log.warning("train: no token is the teacher's own, so there is no lexicon to start from")
        return
    # The others start from the teacher's own tokens that are near them in a static student.
    vectors = train_static(text, size, lexicon)
    weight = student.backbone.get_input_embeddings().weight
    rows = torch.from_numpy(np.flatnonzero(others))
    with torch.no_grad():
        weight[rows] = glosses(weight, vectors, torch.from_numpy(np.flatnonzero(own)), rows, lexicon)
    log.info("train: %d token vectors start from %d of the teacher's that mean the same", len(rows), int(own.sum()))


def glosses(weight: Tensor, vectors: Tensor, own: Tensor, others: Tensor, lexicon: Lexicon) -> Tensor:
    """The weighted means e_t [m, e] of the equation above; holds a thousand tokens' similarities.

    Args:
        weight: token vectors e [v, e].
        vectors: static token vectors [v, d].
        own: the teacher's tokens s [n].
        others: the tokens t [m].
        lexicon: k and τ.
    """
    unit = nn.functional.normalize(vectors.float(), dim=1)
    known = unit[own]
    parts = [weight.new_empty(0, weight.shape[1])]
    for rows in torch.split(others, ROWS):
        cosines, nearest = (unit[rows] @ known.T).topk(min(lexicon.neighbors, len(own)), dim=1)
        shares = torch.softmax(cosines / lexicon.temperature, dim=1).to(weight)
        parts.append((shares[:, :, None] * weight[own[nearest]]).sum(dim=1))
    return torch.cat(parts)


def train_static(text: LexiconText, vocabulary: int, lexicon: Lexicon) -> Tensor:
    """Train the static student whose token vectors [v, d] make the lexicon; the same on all processes.

    It has the teacher's dimension. What a stopped training had done is taken up, as `Trainer` does.
    """
    accelerator = text.accelerator
    dimension = text.pairs[0].points.teacher_a.dimension
    config = Train(
        loss=LOSS,
        steps=lexicon.steps,
        batch_size=lexicon.batch_size,
        learning_rate=lexicon.learning_rate,
        eval_every=lexicon.steps,
        checkpoint_every=lexicon.steps,
    )
    trained = Trainer(
        accelerator=accelerator,
        model=fresh_static(vocabulary, dimension, text.seed),
        loss=training_loss(config, dimension, dimension, text.seed),
        pairs=text.pairs,
        dev=[],
        config=config,
        seed=text.seed,
        identity=text.identity,
        checkpoints=text.checkpoints,
        record=lambda _: None,
        name="lexicon",
    ).run()
    accelerator.free_memory()
    vectors = torch.zeros(vocabulary, dimension, device=accelerator.device)
    if accelerator.is_main_process:
        vectors.copy_(trained.model.state_dict()["weight"])
    if accelerator.num_processes > 1:  # only the first process has what was trained
        vectors = broadcast(vectors)
    return vectors.cpu()


def token_counts(folders: Sequence[TokenFolder], vocabulary: int) -> NDArray[np.int64]:
    """How often each token occurs in some folders [v]; holds one shard's tokens."""
    counts = np.zeros(vocabulary, dtype=np.int64)
    for folder in folders:
        for batch in folder.batches:
            counts += np.bincount(batch.tokens, minlength=vocabulary)
    return counts
