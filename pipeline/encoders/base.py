"""What the rest of the code knows of an encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.tokens import TokenBatch

ENCODER_VERSION = 5
"""Part of every identity: raised when a change of this package changes vectors."""


class Encoder(Protocol):
    """Turns sentences into L2-normalised vectors."""

    @property
    def dimension(self) -> int:
        """The numbers of each vector."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything that a vector depends on besides the text, as JSON values (the store's key)."""
        ...

    def tokenize(self, texts: Sequence[str]) -> TokenBatch:
        """Token ids of sentences: prefix, special tokens and truncation included."""
        ...

    def encode_tokens(self, batch: TokenBatch) -> NDArray[np.float32]:
        """Vectors [n, d] of tokenized sentences, L2-normalised (a sentence of no tokens: zero)."""
        ...


def padded_lengths(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lengths [n], at least 1: a sentence without tokens is one token of padding."""
    return np.maximum(lengths, 1)
