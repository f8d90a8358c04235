"""The two kinds of sentence encoder as torch modules: the same forward pass trains and embeds.

`StaticModel` is the mean of token vectors: it trains and encodes on a laptop. `TransformerModel` is any Hugging Face encoder
with pooling. Both take a `TokenBatch`, apply what their folder has behind the pooling (`Head`), and give L2-normalised
float32 vectors. (The third, `pipeline.encoders.library.LibraryModel`, is whatever sentence-transformers alone can compute.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import gcd
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.artifacts.tokens import TokenBatch
from pipeline.encoders.base import padded_lengths
from pipeline.encoders.heads import Head
from pipeline.encoders.linear import use_fast_products
from pipeline.encoders.packed import can_pack, packed_vectors
from pipeline.encoders.pooling import Pooling, modes, normalise, pool
from pipeline.ground.matmul import row_step
from pipeline.ground.side_by_side import side_by_side
from pipeline.ground.transfer import on_device

STATIC_TOKENS = 65_536
"""Fewer at once cost a static model more time: of 4,096 tokens 3.8 times as much."""
STATIC_SCALE = 0.02
"""Standard deviation of fresh token vectors."""
GROUP_TOKENS = 256
"""What one more pass through the layers costs on a CPU, forwards and backwards, in tokens of padding: mostly the adding up of
the parameters' gradients."""
GPU_GROUP_TOKENS = 8_192
"""The same on a GPU: the starting of some 600 kernels, a few milliseconds, in which it would compute about so many tokens."""
GPU_TIMES = 8
"""A GPU takes so many times the tokens that a CPU is given at once: with fewer it waits for its kernels to be started. An
H200 embedded 25,000 sentences/s with multilingual-e5-small by 4,096 tokens at once, 64,000 by 16,384, 82,000 by 65,536."""
THREAD_TOKENS = 512
"""At least so many for each thread that takes batches of its own: of fewer, Python, which all threads share, takes a part."""
GPU_AHEAD = 16
"""Batches that are embedded before a GPU's vectors are fetched: each time costs a wait until it has done them all."""


class SentenceModel(nn.Module):
    """What both kinds share: vectors of a `TokenBatch`, and embedding without gradients."""

    dimension: int
    vocabulary: int
    positions: int | None = None
    """The longest sentence, in tokens, where the model has a vector for each position; None: any length."""
    side_by_side = False
    """Whether `embed` may call it from several threads, each with a batch of its own, because no call changes what it is."""

    def __init__(self) -> None:
        super().__init__()
        # cuDNN's attention, which torch 2.11 prefers on a card of compute capability 9, prepares itself for every new shape
        # of batch, forwards and backwards a second in all, and every batch of sentences has a new one. Measured on an H200:
        # 12,000 sentences/s through multilingual-e5-small, 82,000 where the same batches came again.
        torch.backends.cuda.enable_cudnn_sdp(False)

    def forward(self, batch: TokenBatch) -> Tensor:
        """Vectors [n, d] float32, L2-normalised, with gradients."""
        raise NotImplementedError

    def plan(self, lengths: NDArray[np.int64], batch_tokens: int) -> Sequence[NDArray[np.int64]]:
        """Cut rows [n] into batches for embedding."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next(self.parameters()).device


class StaticModel(SentenceModel):
    """The mean of a sentence's token vectors ``weight`` [vocabulary, e], and the head that follows the mean, if any."""

    def __init__(self, weight: Tensor, head: Head | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.head = Head(int(weight.shape[1])) if head is None else head
        self.vocabulary, self.dimension = int(weight.shape[0]), self.head.dimension

    def forward(self, batch: TokenBatch) -> Tensor:
        """See `SentenceModel.forward`; the gradient is dense (measured: four times faster than a sparse optimiser)."""
        tokens, starts = on_device(batch.tokens, self.device), on_device(batch.starts.astype(np.int32), self.device)
        return normalise(self.head(nn.functional.embedding_bag(tokens, self.weight, starts, mode="mean")))

    def plan(self, lengths: NDArray[np.int64], batch_tokens: int) -> Sequence[NDArray[np.int64]]:
        """Rows in order, as many as make up ``batch_tokens`` tokens, or `STATIC_TOKENS`: it holds no activations."""
        return cut(lengths, max(batch_tokens, STATIC_TOKENS))


def fresh_static(vocabulary: int, dimension: int, seed: int) -> StaticModel:
    """A static model before training: random token vectors [vocabulary, dimension]."""
    generator = torch.Generator().manual_seed(seed)
    return StaticModel(torch.randn(vocabulary, dimension, generator=generator) * STATIC_SCALE)


class TransformerModel(SentenceModel):
    """A transformer encoder with pooling.

    Args:
        backbone: a Hugging Face model that gives ``last_hidden_state``.
        pooling: how token vectors become one.
        pad: the token id that padding is filled with (masked out).
        head: what follows the pooling; None: nothing.
        skip: how many tokens at a sentence's start, its prompt's, are not pooled; None: the prompt is pooled.
    """

    def __init__(
        self, backbone: Any, pooling: Pooling, pad: int, head: Head | None = None, skip: int | None = None
    ) -> None:
        super().__init__()
        use_fast_products(backbone)
        self.backbone, self.pooling, self.pad, self.skip = backbone, pooling, pad, skip
        self.packs = self.side_by_side = can_pack(backbone)
        self.head = Head(pooled_width(backbone, pooling)) if head is None else head
        self.dimension = self.head.dimension
        self.vocabulary = int(backbone.get_input_embeddings().num_embeddings)
        for name, module in backbone.named_modules():
            if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
                # XLM-RoBERTa counts positions from after the padding's id
                self.positions = module.num_embeddings - (-1 if module.padding_idx is None else module.padding_idx) - 1
        # By this name Accelerate asks for the layers that FSDP spreads one by one.
        self._no_split_modules = getattr(backbone, "_no_split_modules", None)

    def forward(self, batch: TokenBatch) -> Tensor:
        """See `SentenceModel.forward`; sentences of like lengths go together, so that little padding is computed."""
        if self._packs_now and len(batch):
            pieces = self._pieces(batch)
            pooled = packed_vectors(self.backbone, batch, self.pooling, self.pad, self.skip or 0, pieces)
            return normalise(self.head(pooled))
        # Else one pass for each group of like lengths; their rows are put back in the batch's order. With other processes
        # all go together: FSDP wants equally many passes of each.
        device = self.device
        cost = GROUP_TOKENS if device.type == "cpu" else GPU_GROUP_TOKENS
        groups = [] if torch.distributed.is_initialized() else alike(batch.lengths, cost)
        if len(groups) <= 1:
            return self._together(batch)
        vectors = torch.cat([self._together(batch.select(rows)) for rows in groups])
        return vectors[on_device(np.argsort(np.concatenate(groups)), device)]

    @property
    def _packs_now(self) -> bool:
        """Whether sentences go through it packed: on a CPU, without other processes."""
        return self.packs and self.device.type == "cpu" and not torch.distributed.is_initialized()

    def _pieces(self, batch: TokenBatch) -> int:
        """Into how many pieces a batch is cut for as many threads; 1 where these share every operation.

        So where a piece would be too small, and with dropout: all threads draw from one generator, each when it comes to it.
        Embedding has cut its batches before.
        """
        threads = 1 if torch.is_inference_mode_enabled() else torch.get_num_threads()
        if threads == 1 or batch.lengths.sum() < threads * THREAD_TOKENS:
            return 1
        drops = self.training and any(isinstance(part, nn.Dropout) and part.p > 0 for part in self.backbone.modules())
        return 1 if drops else threads

    def _together(self, batch: TokenBatch) -> Tensor:
        """Vectors of sentences that are all padded to the longest."""
        ids, mask = pad_batch(batch, self.pad)
        device = self.device
        mask_tensor = on_device(mask, device)
        attended: Tensor | None = mask_tensor
        if mask.all():
            attended = None  # without one, attention has less to do
        elif self.packs and device.type != "cpu":
            # In the form that attention wants: of another one transformers asks the GPU whether it is all ones, and waits.
            attended = attention_cells(mask_tensor)
        hidden = self.backbone(input_ids=on_device(ids, device), attention_mask=attended).last_hidden_state
        return normalise(self.head(pool(hidden, mask_tensor, self.pooling, self.skip or 0)))

    def plan(self, lengths: NDArray[np.int64], batch_tokens: int) -> Sequence[NDArray[np.int64]]:
        """Rows by length, shortest first, cut at ``batch_tokens``; of equal length together, where they aren't packed.

        Then there is no padding, and attention needs no mask. A matrix product's row depends on no other row, so a
        sentence's vector has the same bits whichever sentences share its batch; but only if rows come by `row_step`. So a
        batch of equal length that isn't full ends with copies of its last row.
        """
        by = row_step(next(self.parameters()))
        padded = padded_lengths(lengths)
        order = np.argsort(padded, kind="stable")
        if self._packs_now:
            return [order[rows] for rows in cut(padded[order], batch_tokens)]
        batches: list[NDArray[np.int64]] = []
        sizes, firsts = np.unique(padded[order], return_index=True)
        # For each length: batches of as many rows as make a multiple of the kernels' step in tokens.
        for size, rows in zip(sizes, np.split(order, firsts[1:]), strict=True):
            unit = by // gcd(int(size), by)
            step = max(1, batch_tokens // int(size) // unit) * unit
            for start in range(0, len(rows), step):
                part = rows[start : start + step]
                batches.append(np.concatenate([part, np.repeat(part[-1:], -len(part) % unit)]))
        return batches


def cut(lengths: NDArray[np.int64], tokens: int) -> list[NDArray[np.int64]]:
    """Rows [n] in order, in batches of at most so many tokens; a longer sentence is a batch of its own.

    >>> [rows.tolist() for rows in cut(np.array([4, 4, 5, 9, 1]), 8)]
    [[0, 1], [2], [3], [4]]
    """
    ends, batches, first = np.cumsum(lengths), list[NDArray[np.int64]](), 0
    while first < len(lengths):
        most = tokens + (int(ends[first - 1]) if first else 0)
        stop = max(first + 1, int(np.searchsorted(ends, most, side="right")))
        batches.append(np.arange(first, stop))
        first = stop
    return batches


def pooled_width(backbone: Any, pooling: Pooling) -> int:
    """The width of a transformer's pooled vectors."""
    return int(backbone.config.get_text_config().hidden_size) * len(modes(pooling))


def alike(lengths: NDArray[np.int64], cost: int) -> list[NDArray[np.int64]]:
    """Rows [n] cut into groups of like lengths, longest first, wherever a cut saves ``cost`` tokens of padding.

    >>> [rows.tolist() for rows in alike(np.array([8, 64, 8, 60, 8]), 100)]
    [[1, 3], [0, 2, 4]]
    """
    padded = padded_lengths(lengths)
    order = np.argsort(-padded, kind="stable")
    groups: list[NDArray[np.int64]] = []
    # Cut at the first row from which on the padding saved, (longest - its length) for all rows that are left, is worth it.
    while len(order):
        shorter = padded[order[0]] - padded[order]
        worth = np.flatnonzero(shorter * np.arange(len(order), 0, -1) >= cost)
        first = int(worth[0]) if len(worth) else len(order)
        groups.append(order[:first])
        order = order[first:]
    return groups


def pad_batch(batch: TokenBatch, pad: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids and mask, each int64 [n, longest padded length]."""
    width = int(padded_lengths(batch.lengths).max(initial=0))
    mask = np.arange(width)[None, :] < batch.lengths[:, None]
    ids = np.full(mask.shape, pad, dtype=np.int64)
    ids[mask] = batch.tokens
    return ids, mask.astype(np.int64)


def attention_cells(mask: Tensor) -> Tensor:
    """Which tokens [n, 1, length, length] each token of a sentence attends to: all that a mask [n, length] has as 1."""
    return mask.bool()[:, None, None, :].expand(-1, 1, mask.shape[1], -1)


def tokens_at_once(device: torch.device, batch_tokens: int) -> int:
    """How many tokens go through a model at once where ``batch_tokens`` are asked for; on a GPU `GPU_TIMES` as many.

    >>> tokens_at_once(torch.device("cpu"), 4_096), tokens_at_once(torch.device("cuda"), 4_096)
    (4096, 32768)
    """
    return batch_tokens if device.type == "cpu" else GPU_TIMES * batch_tokens


def embed(
    model: SentenceModel, batch: TokenBatch, batch_tokens: int, advance: Callable[[int], None] | None = None
) -> NDArray[np.float32]:
    """Vectors [n, d] of sentences by a model in evaluation mode, without gradients.

    About ``batch_tokens`` go through the model at once (`tokens_at_once`); after every batch ``advance`` is called with the
    tokens done. Holds the result and one planned batch of activations; where threads take batches of their own
    (`SentenceModel.side_by_side`), one batch for each thread, of its part of ``batch_tokens``, but at least `THREAD_TOKENS`.
    A GPU's vectors are fetched when it has done several batches, so that it needn't wait for the next one each time.
    """
    vectors = np.zeros((len(batch), model.dimension), dtype=np.float32)
    on_cpu, at_once = model.device.type == "cpu", tokens_at_once(model.device, batch_tokens)
    # Not where parameters may be spread over processes, which fetch them from each other in one order.
    apart = on_cpu and model.side_by_side and not torch.distributed.is_initialized()
    threads = torch.get_num_threads() if apart else 1
    plan = model.plan(batch.lengths, max(at_once // threads, min(at_once, THREAD_TOKENS)))
    ahead = 1 if on_cpu else GPU_AHEAD

    @torch.inference_mode()
    def fill(parts: Sequence[NDArray[np.int64]]) -> Sequence[NDArray[np.int64]]:
        made = [model(batch.select(rows)) for rows in parts]
        for rows, part in zip(parts, made, strict=True):
            vectors[rows] = part.cpu().numpy()
        return parts

    def report(parts: Sequence[NDArray[np.int64]]) -> None:
        for rows in parts:
            if advance is not None:
                advance(int(batch.lengths[np.unique(rows)].sum()))

    groups = [plan[first : first + ahead] for first in range(0, len(plan), ahead)]
    if threads > 1 and len(groups) > 1:
        side_by_side(fill, groups, threads, report)
    else:
        for parts in groups:
            report(fill(parts))
    return vectors
