"""Sentences through a transformer one after the other, without padding: every layer is one product for the whole batch.

Only attention and pooling know sentences. They are taken in order of length, so that sentences of equal length lie together
and are attended to as one [n, length] block: by torch's fused attention without gradients, with them by the plain formula,
because the fused one's backward pass costs more than all products of a small model's layers on a CPU (measured). The token
vectors' gradient is made once, where padded groups make one of the whole vocabulary for each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.artifacts.tokens import TokenBatch
from pipeline.encoders.base import padded_lengths
from pipeline.encoders.pieces import in_pieces
from pipeline.encoders.pooling import Pooling, pool
from pipeline.ground.matmul import row_step

ATTENTION = "softalign_packed"
"""The name of `attend` among transformers' attention functions."""
POSITIONS_FROM_PADDING = {"roberta", "xlm-roberta", "camembert"}
"""Models that count positions from behind the padding's id."""
KINDS = {"bert", "distilbert", "electra"} | POSITIONS_FROM_PADDING
"""Models whose layers know of other tokens by attention over the whole sentence only, and take position ids (tested)."""


class Packing:
    """The order in which n sentences follow each other; one without tokens is one token of padding.

    Args:
        batch: the sentences.
        step: tokens come by so many in all: sentences of one token of padding behind the others fill it up.

    Attributes:
        order: rows [n], shortest first.
        blocks: how many sentences are of which length, in order; what fills up is the last, if it is needed.
        tokens: tokens of each block.
        lengths: each sentence's own tokens, in order; what fills up has none.
    """

    def __init__(self, batch: TokenBatch, step: int = 1) -> None:
        widths = padded_lengths(batch.lengths)
        self.batch, missing = batch, -int(widths.sum()) % step
        self.order: NDArray[np.int64] = np.argsort(widths, kind="stable")
        self.lengths = np.append(batch.lengths[self.order].astype(np.int64), np.zeros(missing, dtype=np.int64))
        lengths, counts = np.unique(widths, return_counts=True)
        self.blocks: list[tuple[int, int]] = list(zip(counts.tolist(), lengths.tolist(), strict=True))
        if missing:
            self.blocks.append((missing, 1))
        self.tokens = [count * length for count, length in self.blocks]

    def ids(self, pad: int) -> NDArray[np.int64]:
        """Token ids [t], all sentences in order."""
        there = np.repeat(self.lengths > 0, padded_lengths(self.lengths))
        ids = np.full(len(there), pad, dtype=np.int64)
        ids[there] = self.batch.select(self.order).tokens
        return ids

    def positions(self) -> NDArray[np.int64]:
        """Each token's place in its sentence [t], from 0."""
        return np.concatenate([np.tile(np.arange(length), count) for count, length in self.blocks])


def can_pack(backbone: nn.Module) -> bool:
    """Whether `packed_vectors` serves for a model; if so, its attention is prepared for it."""
    config: Any = backbone.config
    if config.model_type not in KINDS or config._attn_implementation not in ("sdpa", ATTENTION):
        return False
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, attend)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    backbone.set_attn_implementation(ATTENTION)  # type: ignore[operator]
    return True


def packed_vectors(
    backbone: nn.Module, batch: TokenBatch, pooling: Pooling, pad: int, skip: int = 0, pieces: int = 1
) -> Tensor:
    """Pooled vectors [n, d] of one or more sentences, in their order, with gradients; not yet normalised.

    Holds the activations of all sentences. In inference mode a sentence's vector has the same bits in any company.

    Args:
        backbone: a model that `can_pack`.
        batch: the sentences.
        pooling: how token vectors become one.
        pad: the id of the token that a sentence without tokens has.
        skip: how many of each sentence's first tokens are not pooled.
        pieces: into how many packings of about as many tokens the sentences are cut, which go through the layers side by side
            (`in_pieces`).
    """
    # Dealt out from the longest to the shortest, so that each piece has about as many tokens.
    order = np.argsort(-padded_lengths(batch.lengths), kind="stable")
    parts = [order[first::pieces] for first in range(pieces)]
    step = row_step(next(backbone.parameters())) if torch.is_inference_mode_enabled() else 1
    packings = [Packing(batch.select(part), step) for part in parts]
    # All tokens' own vectors at once: their gradient has the size of the vocabulary, whatever a piece has of it.
    ids = torch.from_numpy(np.concatenate([packing.ids(pad) for packing in packings])).to(
        next(backbone.parameters()).device
    )
    words = torch.split(backbone.get_input_embeddings()(ids), [sum(packing.tokens) for packing in packings])  # type: ignore[operator]

    def compute(number: int, own_words: Tensor) -> Tensor:
        return _one_packing(backbone, packings[number], own_words, pooling, pad, skip)

    pooled = [compute(0, words[0])] if pieces == 1 else in_pieces(compute, words, list(backbone.parameters()))
    # Each packing's own order, then the order of all.
    rows = np.concatenate([part[packing.order] for part, packing in zip(parts, packings, strict=True)])
    return torch.cat(pooled)[torch.from_numpy(np.argsort(rows)).to(ids.device)]


def _one_packing(backbone: nn.Module, packing: Packing, words: Tensor, pooling: Pooling, pad: int, skip: int) -> Tensor:
    """Pooled vectors [n, d] of a packing, in its order, from its tokens' own vectors [t, e]."""
    config: Any = backbone.config
    first = pad + 1 if config.model_type in POSITIONS_FROM_PADDING else 0
    # All tokens as one sentence [1, t] through the layers; `attend` gets the packing along.
    hidden = backbone(
        inputs_embeds=words[None],
        position_ids=torch.from_numpy(packing.positions() + first).to(words.device)[None],
        packing=packing,
    ).last_hidden_state[0]
    lengths = torch.from_numpy(packing.lengths).to(words.device)
    # Block by block one vector a sentence; what fills up, the last block, is none.
    pooled, done = [], 0
    for (count, length), tokens in zip(packing.blocks, torch.split(hidden, packing.tokens), strict=True):
        mask = (torch.arange(length, device=words.device) < lengths[done : done + count, None]).long()
        pooled.append(pool(tokens.view(count, length, -1), mask, pooling, skip))
        done += count
    return torch.cat(pooled)[: len(packing.order)]


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    packing: Packing | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention inside each sentence of a packing: softmax(s·q·kᵀ)·v (Vaswani et al. 2017, equation 1).

    Args:
        module: the attention layer.
        query: the tokens' queries [1, heads, t, e].
        key: their keys [1, heads, t, e].
        value: their values [1, heads, t, e].
        attention_mask: None with a packing.
        dropout: the share of the softmax's weights that is dropped.
        scaling: s; 1/√e if None.
        packing: the order of the t tokens; without one this is transformers' own attention of padded sentences.
        **others: what transformers' own attention takes besides.

    Returns:
        [1, t, heads, e].
    """
    if packing is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        padded: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )
        return padded
    heads, width = query.shape[1], query.shape[3]
    scale = width**-0.5 if scaling is None else scaling
    # Each of q, k, v by block [tokens, heads, e]; in a block every sentence attends to itself [count, heads, length, e].
    parts = [torch.split(tensor[0].transpose(0, 1), packing.tokens) for tensor in (query, key, value)]
    results = []
    for (count, length), q, k, v in zip(packing.blocks, *parts, strict=True):
        q, k, v = (part.reshape(count, length, heads, width).transpose(1, 2) for part in (q, k, v))
        found = _within(q, k, v, scale, dropout)
        results.append(found.transpose(1, 2).reshape(count * length, heads, width))
    return torch.cat(results)[None], None


def _within(q: Tensor, k: Tensor, v: Tensor, scale: float, dropout: float) -> Tensor:
    """Attention of each of some sentences of equal length to itself, all [count, heads, length, e]."""
    if not torch.is_grad_enabled():
        return nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scale)
    weights = nn.functional.softmax((q * scale) @ k.transpose(2, 3), dim=-1)
    if dropout:
        weights = nn.functional.dropout(weights, dropout)
    return weights.to(v.dtype) @ v
