"""An exported graph in ONNX Runtime on the CPU, as an `Encoder`'s second half: token ids to vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.tokens import TokenBatch
from pipeline.encoders.base import padded_lengths
from pipeline.encoders.model import pad_batch
from pipeline.exporting.graph import INPUTS, VECTORS

BATCH_TOKENS = 4096


class OnnxModel:
    """A graph, loaded.

    Args:
        path: the graph's file.
        pad: the id that padding is filled with (masked out).
        threads: how many threads work on one operator; 0: ONNX Runtime's own choice.
    """

    def __init__(self, path: Path, pad: int, threads: int = 0) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Threads that wait for work would spin, and take the cores from other processes and from each other.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.pad = pad

    def encode_tokens(self, batch: TokenBatch, batch_tokens: int = BATCH_TOKENS) -> NDArray[np.float32]:
        """Vectors [n, d] of tokenized sentences, those of a length together; holds the result and one batch."""
        order = np.argsort(padded_lengths(batch.lengths), kind="stable")
        dimension = next(out.shape[1] for out in self.session.get_outputs() if out.name == VECTORS)
        vectors = np.empty((len(batch), dimension), dtype=np.float32)
        start = 0
        while start < len(order):
            # Lengths grow along `order`: the last row of a batch is its longest.
            sizes = padded_lengths(batch.lengths[order[start:]]) * np.arange(1, len(order) - start + 1)
            count = max(1, int(np.searchsorted(sizes, batch_tokens, side="right")))
            rows = order[start : start + count]
            feed = dict(zip(INPUTS, pad_batch(batch.select(rows), self.pad), strict=True))
            (vectors[rows],) = self.session.run([VECTORS], feed)
            start += count
        return vectors
