"""An exported graph in ONNX Runtime on the CPU, as an `Encoder`'s second half: token ids to vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.artifacts.tokens import TokenBatch
from pipeline.encoders.base import padded_lengths
from pipeline.encoders.model import cut, pad_batch
from pipeline.exporting.graph import INPUTS, VECTORS
from pipeline.ground.side_by_side import side_by_side

BATCH_TOKENS = 512
"""Tokens of a batch: of 256 or 512 an int8 MiniLM gives 250 sentences/s of a core, of 4,096, whose activations leave
the cache, 170. An int8 graph's scales are a whole batch's, so vectors depend on it, but not on how many threads there are."""


class OnnxModel:
    """A graph, loaded.

    Args:
        path: the graph's file.
        pad: the id that padding is filled with (masked out).
        threads: how many batches are computed at a time, each by one thread; None: torch's number of threads.
    """

    def __init__(self, path: Path, pad: int, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # Threads that share an operator wait for the slowest of them, and one that is left alone for nobody.
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.pad, self.threads = pad, threads or torch.get_num_threads()

    def encode_tokens(self, batch: TokenBatch, batch_tokens: int = BATCH_TOKENS) -> NDArray[np.float32]:
        """Vectors [n, d] of tokenized sentences, those of like length together; holds the result and a batch a thread."""
        lengths = padded_lengths(batch.lengths)
        order = np.argsort(lengths, kind="stable")
        dimension = next(out.shape[1] for out in self.session.get_outputs() if out.name == VECTORS)
        vectors = np.empty((len(batch), dimension), dtype=np.float32)

        def fill(part: NDArray[np.int64]) -> None:
            rows = order[part]
            feed = dict(zip(INPUTS, pad_batch(batch.select(rows), self.pad), strict=True))
            (vectors[rows],) = self.session.run([VECTORS], feed)

        side_by_side(fill, cut(lengths[order], batch_tokens), self.threads, lambda _: None)
        return vectors
