"""Sentences through a transformer one after the other, without padding: every layer is one product for the whole batch.

Only attention and pooling know sentences. They are taken in order of length, so that sentences of equal length lie together
and are attended to as one [n, length] block, by the plain formula: on a CPU the backward pass of torch's fused attention
costs more than all products of a small model's layers (measured; `bench/transformer_step.py`). The token vectors' gradient
is made once, where padded groups make one of the whole vocabulary for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.artifacts.tokens import TokenBatch
from pipeline.encoders.base import padded_lengths
from pipeline.encoders.pooling import Pooling, pool

ATTENTION = "softalign_packed"
"""The name of `attend` among transformers' attention functions."""
POSITIONS_FROM_PADDING = {"roberta", "xlm-roberta", "camembert"}
"""Models that count positions from behind the padding's id."""
KINDS = {"bert"} | POSITIONS_FROM_PADDING
"""Models whose layers know of other tokens by attention over the whole sentence only, and take position ids (tested)."""


@dataclass(frozen=True)
class Packing:
    """The order in which sentences follow each other.

    Attributes:
        batch: the sentences.
    """

    batch: TokenBatch

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Rows [n], shortest first."""
        return np.argsort(self._widths, kind="stable")

    @cached_property
    def blocks(self) -> list[tuple[int, int]]:
        """How many sentences are of which length, in order; one without tokens is one token of padding."""
        lengths, counts = np.unique(self._widths, return_counts=True)
        return list(zip(counts.tolist(), lengths.tolist(), strict=True))

    @cached_property
    def tokens(self) -> list[int]:
        """Tokens of each block."""
        return [count * length for count, length in self.blocks]

    def ids(self, pad: int) -> NDArray[np.int64]:
        """Token ids [t], all sentences in order."""
        ids = np.full(int(self._widths.sum()), pad, dtype=np.int64)
        ids[np.repeat(self.batch.lengths[self.order] > 0, self._widths[self.order])] = self.batch.select(
            self.order
        ).tokens
        return ids

    def positions(self) -> NDArray[np.int64]:
        """Each token's place in its sentence [t], from 0."""
        return np.concatenate([np.tile(np.arange(length), count) for count, length in self.blocks])

    @cached_property
    def _widths(self) -> NDArray[np.int64]:
        return padded_lengths(self.batch.lengths)


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


def packed_vectors(backbone: nn.Module, batch: TokenBatch, pooling: Pooling, pad: int, skip: int = 0) -> Tensor:
    """Pooled vectors [n, d] of sentences, in their order, with gradients; not yet normalised.

    Holds the activations of all sentences.

    Args:
        backbone: of a kind that `can_pack`.
        batch: the sentences, at least one.
        pooling: how token vectors become one.
        pad: the padding's id.
        skip: tokens at a sentence's start that are not pooled.
    """
    packing = Packing(batch)
    device = next(backbone.parameters()).device
    config: Any = backbone.config
    first = pad + 1 if config.model_type in POSITIONS_FROM_PADDING else 0
    hidden = backbone(
        input_ids=torch.from_numpy(packing.ids(pad)).to(device)[None],
        position_ids=torch.from_numpy(packing.positions() + first).to(device)[None],
        packing=packing,
    ).last_hidden_state[0]
    lengths = torch.from_numpy(batch.lengths[packing.order].astype(np.int64)).to(device)
    pooled, done = [], 0
    for (count, length), tokens in zip(packing.blocks, torch.split(hidden, packing.tokens), strict=True):
        mask = (torch.arange(length, device=device) < lengths[done : done + count, None]).long()
        pooled.append(pool(tokens.view(count, length, -1), mask, pooling, skip))
        done += count
    return torch.cat(pooled)[torch.from_numpy(np.argsort(packing.order)).to(device)]


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
        query: [1, heads, t, e].
        key: as the query.
        value: as the query.
        attention_mask: None with a packing.
        dropout: of the weights.
        scaling: s; 1/√e if None.
        packing: of the t tokens; without one this is transformers' own attention of padded sentences.
        **others: for that.

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
    parts = [torch.split(tensor[0].transpose(0, 1), packing.tokens) for tensor in (query * scale, key, value)]
    results = []
    for (count, length), q, k, v in zip(packing.blocks, *parts, strict=True):
        q, k, v = (part.reshape(count, length, heads, width).transpose(1, 2) for part in (q, k, v))
        weights = nn.functional.softmax(q @ k.transpose(2, 3), dim=-1)
        if dropout:
            weights = nn.functional.dropout(weights, dropout)
        results.append((weights.to(v.dtype) @ v).transpose(1, 2).reshape(count * length, heads, width))
    return torch.cat(results)[None], None
