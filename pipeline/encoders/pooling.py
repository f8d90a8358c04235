"""From token vectors to one vector."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Pooling = Literal["mean", "cls", "last"]


def pool(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """One vector a sentence.

    Args:
        hidden: token vectors [n, length, d].
        mask: 1 for tokens, 0 for padding (on the right) [n, length].
        pooling: ``mean`` over tokens, the first (``cls``) or the ``last`` token.

    Returns:
        [n, d]; zero for a sentence without tokens.

    >>> hidden = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]])
    >>> pool(hidden, torch.tensor([[1, 1, 0]]), "mean").tolist()
    [[2.0, 3.0]]
    >>> pool(hidden, torch.tensor([[1, 1, 0]]), "last").tolist()
    [[3.0, 4.0]]
    """
    if hidden.dtype == torch.float16 and pooling == "mean":
        hidden = hidden.float()  # 128 token values of 600 add up to more than float16's 65,504
    weights = mask.to(hidden.dtype)
    if pooling == "cls":
        return hidden[:, 0] * weights[:, :1]
    lengths = mask.sum(dim=1)
    if pooling == "last":
        rows = torch.arange(len(hidden), device=hidden.device)
        return hidden[rows, (lengths - 1).clamp(min=0)] * weights[:, :1]
    # Not a product: a batched one's bits depend on how many sentences there are.
    total = (hidden * weights.unsqueeze(2)).sum(dim=1)
    return total / lengths.clamp(min=1).unsqueeze(1).to(hidden.dtype)


def normalise(vectors: Tensor) -> Tensor:
    """Vectors [n, d] in float32 and of length 1; a zero vector stays zero.

    >>> normalise(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    return torch.nn.functional.normalize(vectors.float(), dim=1)
