"""From token vectors to one vector."""

from __future__ import annotations

import torch
from torch import Tensor

Pooling = str
"""``mean``, ``cls`` (the first token), ``last``, ``max``, ``mean_sqrt_len`` (the sum over the root of the length) or
``weightedmean`` (each token weighted by its place, from 1); several with a plus, whose vectors are joined (``cls+mean``)."""


def modes(pooling: Pooling) -> list[str]:
    """The poolings whose vectors are joined.

    >>> modes("cls+mean")
    ['cls', 'mean']
    """
    return pooling.split("+")


def pool(hidden: Tensor, mask: Tensor, pooling: Pooling, skip: int = 0) -> Tensor:
    """One vector a sentence.

    Args:
        hidden: token vectors [n, length, d].
        mask: 1 for tokens, 0 for padding (on the right) [n, length].
        pooling: one of the names in `Pooling`, or several with a plus.
        skip: how many tokens at the start (a prompt's) are left out.

    Returns:
        [n, d], of several poolings [n, their number × d]; zero for a sentence without tokens.

    >>> hidden = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]])
    >>> pool(hidden, torch.tensor([[1, 1, 0]]), "mean").tolist()
    [[2.0, 3.0]]
    >>> pool(hidden, torch.tensor([[1, 1, 0]]), "last+max").tolist()
    [[3.0, 4.0, 3.0, 4.0]]
    """
    places = torch.arange(hidden.shape[1], device=hidden.device)
    kept = mask * (places >= skip) if skip else mask
    vectors = [_pool_one(hidden, mask, kept, mode, skip) for mode in modes(pooling)]
    return vectors[0] if len(vectors) == 1 else torch.cat(vectors, dim=1)


def _pool_one(hidden: Tensor, mask: Tensor, kept: Tensor, mode: str, skip: int) -> Tensor:
    """One pooling; ``kept`` is the mask without the tokens that are skipped."""
    lengths = kept.sum(dim=1)
    there = (lengths > 0).unsqueeze(1).to(hidden.dtype)
    rows = torch.arange(hidden.shape[0], device=hidden.device)
    if mode == "cls":
        return hidden[:, 0] * there if skip == 0 else hidden[rows, kept.argmax(dim=1)] * there
    if mode == "last":
        return hidden[rows, (mask.sum(dim=1) - 1).clamp(min=0)] * there
    if mode == "max":
        largest = hidden.masked_fill(kept.unsqueeze(2) == 0, float("-inf")).amax(dim=1)
        return largest.masked_fill(there == 0, 0.0)
    if hidden.dtype == torch.float16:
        hidden = hidden.float()  # 128 token values of 600 add up to more than float16's 65,504
    weights = kept.to(hidden.dtype)
    if mode == "weightedmean":
        weights = weights * torch.arange(1, hidden.shape[1] + 1, device=hidden.device).to(hidden.dtype)
        lengths = weights.sum(dim=1)
    # Not a product: a batched one's bits depend on how many sentences there are.
    total = (hidden * weights.unsqueeze(2)).sum(dim=1)
    divisor = lengths.clamp(min=1).unsqueeze(1).to(hidden.dtype)
    return total / (divisor.sqrt() if mode == "mean_sqrt_len" else divisor)


def normalise(vectors: Tensor) -> Tensor:
    """Vectors [n, d] in float32 and of length 1; a zero vector stays zero.

    >>> normalise(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    return torch.nn.functional.normalize(vectors.float(), dim=1)
