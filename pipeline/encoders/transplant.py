"""A model's layers with a new vocabulary: the teacher's knowledge for text that its tokenizer cuts to pieces.

All layers, position vectors included, stay; only the token vectors are new, one for each token of the new tokenizer. They
start where the old ones say something of them:

1. a special token, from the old one of its role;
2. a token that the old vocabulary has (but for the mark of a word's start or inside), from that vector, or the mean of both;
3. a token of Latin letters, digits or signs, from the mean of the vectors of the pieces that the old tokenizer cuts it into;
4. every other, at random with the mean and standard deviation of the old vectors in each dimension.

Pieces of other scripts are left out (4): in a model that never saw a language they are single letters, hardly trained.
"""

from __future__ import annotations

import logging
import unicodedata
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.console.errors import InputError, UserError
from pipeline.encoders.layout import read_layout
from pipeline.encoders.load import EncoderSettings, load_transformer
from pipeline.encoders.model import TransformerModel
from pipeline.encoders.tokenization import SPECIAL_ROLES, SPECIAL_TOKENS, TextTokenizer, load_tokenizer

log = logging.getLogger(__name__)

MARKS = ("", "##", "▁", "Ġ")
"""How vocabularies mark a token at a word's start or inside a word."""


def padding_id(folder: Path) -> int:
    """Where a model's new vocabulary must have its padding, for position vectors to stay where they are.

    Raises:
        UserError: if the folder holds a static encoder, which has no layers.
    """
    layout = read_layout(folder)
    if layout.static:
        raise UserError(
            "student.kind: 'teacher' takes the teacher's layers, but the teacher is static and has none; "
            "expected a transformer as teacher.model, or another student.kind"
        )
    found = layout.config.get("pad_token_id")
    # Past the special tokens only models without position vectors (rotary ones) have it: there it may stand anywhere.
    return found if isinstance(found, int) and 0 <= found < len(SPECIAL_TOKENS) else 0


def transplant(folder: Path, settings: EncoderSettings, tokenizer: TextTokenizer, seed: int) -> TransformerModel:
    """A model's layers with token vectors for another tokenizer, in float32 on the CPU; holds the old and the new vectors.

    Args:
        folder: the model's folder.
        settings: how the model pools, and the longest sentence.
        tokenizer: the new tokenizer, trained with the model's `padding_id`.
        seed: the seed of random vectors.

    Raises:
        UserError: if the model is static, has too few positions for ``max_length``, or another padding.
        InputError: if it can't be loaded.
    """
    pad = padding_id(folder)
    if (found := tokenizer.backend.token_to_id("[PAD]")) != pad:
        raise UserError(
            f"student.kind: the tokenizer's padding is token {found}, the teacher's positions need {pad}; run the stage "
            "tokenize again"
        )
    model = load_transformer(folder, settings)
    backbone = model.backbone
    embedding = backbone.get_input_embeddings()
    if not isinstance(embedding, nn.Embedding):
        raise InputError(folder, f"has token vectors of a kind that can't be replaced ({type(embedding).__name__})")
    _check_positions(model, settings.max_length, pad)
    # New token vectors, from the old ones of what the old tokenizer makes of each new token.
    old = load_tokenizer(folder, "", settings.max_length, special_tokens=False)
    vectors = token_vectors(embedding.weight.detach().float(), token_sources(old, tokenizer), seed)
    fresh = nn.Embedding(len(vectors), vectors.shape[1], padding_idx=pad)
    with torch.no_grad():
        fresh.weight.copy_(vectors)
    # Their place in the model, and the ids that its configuration names.
    backbone.set_input_embeddings(fresh)
    backbone.config.vocab_size, backbone.config.pad_token_id = len(vectors), pad
    for role, token in (("bos_token_id", "[CLS]"), ("eos_token_id", "[SEP]")):
        if getattr(backbone.config, role, None) is not None:
            setattr(backbone.config, role, tokenizer.backend.token_to_id(token))
    skip = None if model.skip is None else tokenizer.prefix_tokens()
    return TransformerModel(backbone, model.pooling, pad, model.head, skip)


def token_vectors(weight: Tensor, sources: list[list[int]], seed: int) -> Tensor:
    """A start for new token vectors [v', e], each the mean of those of its ``sources`` among the old ones [v, e].

    A token without sources starts at random.
    """
    size, generator = len(sources), torch.Generator().manual_seed(seed)
    vectors = torch.randn(size, weight.shape[1], generator=generator) * weight.std(dim=0) + weight.mean(dim=0)
    for number, ids in enumerate(sources):
        if ids:
            vectors[number] = weight[ids].mean(dim=0)
    started = sum(map(bool, sources))
    log.info("student: %d of %d token vectors start from the teacher's, the others at random", started, size)
    return vectors


def token_sources(old: TextTokenizer, new: TextTokenizer) -> list[list[int]]:
    """The old tokens that each of the new tokenizer's tokens starts from [v']; none for a random start.

    The model's own tokenizer, ``old``, adds no special tokens.
    """
    known = old.backend.get_vocab()
    tokens = [new.backend.id_to_token(number) or "" for number in range(new.backend.get_vocab_size())]
    pieces = old(tokens)
    return [
        _source(token, pieces.tokens[start : start + length].tolist(), known, old.unknown)
        for token, start, length in zip(tokens, pieces.starts.tolist(), pieces.lengths.tolist(), strict=True)
    ]


def _source(token: str, pieces: list[int], known: dict[str, int], unknown: int | None) -> list[int]:
    """The old tokens that one new token starts from."""
    for names in SPECIAL_ROLES.values():
        if token in names:
            return [known[name] for name in names if name in known][:1]
    if exact := sorted({known[mark + token] for mark in MARKS if mark + token in known}):
        return exact
    latin = all(not letter.isalpha() or unicodedata.name(letter, "").startswith("LATIN") for letter in token)
    return pieces if latin and unknown not in pieces else []


def _check_positions(model: TransformerModel, max_length: int, pad: int) -> None:
    backbone = model.backbone
    first = getattr(getattr(backbone, "embeddings", None), "padding_idx", None)
    if first is not None and first != pad:
        raise UserError(
            f"student.kind: the teacher counts positions from its padding, token {first}, which a new vocabulary can't "
            "have; expected another teacher or student.kind"
        )
    # Models of RoBERTa's kind count positions from behind the padding's id.
    positions = getattr(backbone.config, "max_position_embeddings", None)
    usable = None if positions is None else positions - (0 if first is None else first + 1)
    if usable is not None and usable < max_length:
        raise UserError(
            f"student.max_length: found {max_length}, but the teacher's layers have {usable} positions; expected at most that"
        )
