"""The memory of one training step of a transformer, whole and in chunks (GradCache).

    python bench/step_memory.py

A transformer of 6 layers of 384 dimensions with random weights, 256 pairs of 64 tokens; each chunk size in a process of its
own, whose largest resident size before the step is taken off.
"""

from __future__ import annotations

import pipeline  # noqa: F401  (first: how waiting threads wait is read when torch and NumPy load)

# isort: split
import resource
import subprocess
import sys

import numpy as np
import torch
from accelerate import Accelerator
from transformers import BertConfig, BertModel

from pipeline.artifacts.tokens import TokenBatch
from pipeline.encoders.model import TransformerModel
from pipeline.training.gradients import backward, piece_count

PAIRS, TOKENS, VOCABULARY = 256, 64, 24_000
CHUNKS = ("none", "64", "16")


def peak() -> float:
    """The largest resident size so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    """Measure one chunk size, or start a process for each."""
    if len(sys.argv) == 1:
        for size in CHUNKS:
            subprocess.run([sys.executable, __file__, size], check=True)
        return
    chunk = None if sys.argv[1] == "none" else int(sys.argv[1])
    config = BertConfig(vocab_size=VOCABULARY, hidden_size=384, num_hidden_layers=6, intermediate_size=1536)
    model = TransformerModel(BertModel(config, add_pooling_layer=False), "mean", 0).train()
    accelerator = Accelerator(cpu=True)
    generator = np.random.default_rng(0)
    sides = tuple(
        TokenBatch(
            generator.integers(5, VOCABULARY, PAIRS * TOKENS).astype(np.int32), np.full(PAIRS, TOKENS, dtype=np.int64)
        )
        for _ in range(2)
    )
    before = peak()

    def objective(vectors: torch.Tensor) -> torch.Tensor:
        similarities = vectors[:PAIRS] @ vectors[PAIRS:].T / 0.1
        return torch.nn.functional.cross_entropy(similarities, torch.arange(PAIRS))

    backward(accelerator, model, (sides[0], sides[1]), objective, piece_count(PAIRS, 1, chunk))
    print(f"chunk {sys.argv[1]}: {peak() - before:.1f} GB", flush=True)


if __name__ == "__main__":
    main()
