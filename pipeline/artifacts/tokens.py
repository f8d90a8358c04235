"""Token ids of sentences, as stages hand them on and encoders take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TokenBatch:
    """Token ids of n sentences, end to end.

    Attributes:
        tokens: int32 [sum of lengths].
        lengths: int64 [n]; a sentence of no tokens is allowed (its vector is zero).
    """

    tokens: NDArray[np.int32]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where each sentence begins in ``tokens`` [n]."""
        return np.cumsum(self.lengths) - self.lengths

    @classmethod
    def from_lists(cls, lists: Sequence[Sequence[int]]) -> TokenBatch:
        """From one list of ids a sentence.

        >>> batch = TokenBatch.from_lists([[5, 6], [7]])
        >>> batch.tokens.tolist(), batch.lengths.tolist()
        ([5, 6, 7], [2, 1])
        """
        lengths = np.fromiter((len(ids) for ids in lists), dtype=np.int64, count=len(lists))
        tokens = np.fromiter((token for ids in lists for token in ids), dtype=np.int32, count=int(lengths.sum()))
        return cls(tokens, lengths)

    @classmethod
    def joined(cls, batches: Sequence[TokenBatch]) -> TokenBatch:
        """Token batches end to end; without any, a batch of no sentences."""
        return cls(
            np.concatenate([np.empty(0, dtype=np.int32), *(batch.tokens for batch in batches)]),
            np.concatenate([np.empty(0, dtype=np.int64), *(batch.lengths for batch in batches)]),
        )

    def select(self, rows: NDArray[np.int64]) -> TokenBatch:
        """The sentences of some rows [m], in their order; one gather, no loop over sentences.

        >>> TokenBatch.from_lists([[5, 6], [7], [8, 9]]).select(np.array([2, 1])).tokens.tolist()
        [8, 9, 7]
        """
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths)
        inside = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
        return TokenBatch(self.tokens[np.repeat(self.starts[rows], lengths) + inside], lengths)
