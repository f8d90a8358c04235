"""What others do on the same card: sentence-transformers' encode, a plain training step with its model, neighbours by faiss.

What isn't installed is left out; plain torch stands in for faiss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.artifacts.tokens import TokenBatch
from pipeline.encoders.model import pad_batch

BLOCK_ROWS = 8_192
"""Rows whose similarities with all of the other side are held at once."""


def sentence_transformer(folder: Path, device: torch.device, dtype: torch.dtype, max_length: int) -> Any:
    """The same model as sentence-transformers loads it; None if that isn't installed."""
    if find_spec("sentence_transformers") is None:
        return None
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device=str(device), model_kwargs={"dtype": dtype}, local_files_only=True)
    model.max_seq_length = max_length
    return model


def encoded(model: Any, texts: Sequence[str], prefix: str, batch_size: int) -> NDArray[np.float32]:
    """Vectors [n, d] by sentence-transformers' encode, normalised again: in bfloat16 their lengths are 1 to three digits."""
    vectors = model.encode(
        list(texts), batch_size=batch_size, prompt=prefix, normalize_embeddings=True, show_progress_bar=False
    )
    found = np.asarray(vectors, dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


class PlainSteps:
    """Steps as a plain script takes them: both sides one after the other, each padded to its longest, autocast, AdamW.

    Args:
        model: sentence-transformers', in float32.
        pad: the padding's id.
        temperatures: τ of the teacher's labels and of the student's similarities.
        learning_rate: constant.
        bf16: whether products are bfloat16.
    """

    def __init__(
        self, model: Any, pad: int, temperatures: tuple[float, float], learning_rate: float, bf16: bool
    ) -> None:
        self.model, self.pad, self.temperatures, self.bf16 = model.train(), pad, temperatures, bf16
        self.device = next(model.parameters()).device
        fused = self.device.type == "cuda"
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0, fused=fused)

    def take(self, sides: tuple[TokenBatch, TokenBatch], teacher: NDArray[np.float32]) -> Tensor:
        """One step of the soft contrastive loss; ``teacher`` are its vectors of the first sides [n, t]."""
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            x, y = (self._vectors(side) for side in sides)
        labels = torch.from_numpy(teacher).to(self.device)
        of_teacher, of_student = self.temperatures
        weights, cosines = torch.softmax(labels @ labels.T / of_teacher, dim=1), x @ y.T / of_student
        loss = nn.functional.cross_entropy(cosines, weights) + nn.functional.cross_entropy(cosines.T, weights)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()

    def _vectors(self, side: TokenBatch) -> Tensor:
        ids, mask = (torch.from_numpy(part).to(self.device) for part in pad_batch(side, self.pad))
        found = self.model({"input_ids": ids, "attention_mask": mask})["sentence_embedding"]
        return nn.functional.normalize(found.float(), dim=1)


Neighbours = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Rows of the k nearest of the other side, of both sides."""


def searchers(device: torch.device) -> dict[str, Callable[[NDArray[np.float32], NDArray[np.float32], int], Neighbours]]:
    """Exact searches of both directions, by name."""
    found: dict[str, Callable[[NDArray[np.float32], NDArray[np.float32], int], Neighbours]] = {
        "torch.topk": lambda x, y, k: (nearest(x, y, k, device), nearest(y, x, k, device))
    }
    if find_spec("faiss") is not None:
        import faiss

        if device.type == "cuda" and hasattr(faiss, "StandardGpuResources"):
            resources = faiss.StandardGpuResources()
            inner = faiss.METRIC_INNER_PRODUCT
            found["faiss.knn_gpu"] = lambda x, y, k: (
                faiss.knn_gpu(resources, x, y, k, metric=inner)[1],
                faiss.knn_gpu(resources, y, x, k, metric=inner)[1],
            )
    return found


def nearest(x: NDArray[np.float32], y: NDArray[np.float32], k: int, device: torch.device) -> NDArray[np.int64]:
    """Rows of y that are the nearest to each of x [n, k], exactly."""
    other = torch.from_numpy(y).to(device)
    rows = []
    for start in range(0, len(x), BLOCK_ROWS):
        part = torch.from_numpy(x[start : start + BLOCK_ROWS]).to(device)
        rows.append((part @ other.T).topk(k, dim=1).indices.cpu())
    return torch.cat(rows).numpy()
