"""The gradient of one batch, whole or in chunks: large batches in the memory of small ones.

In chunks it is GradCache (Gao et al. 2021, arXiv 2101.06983), which is exact. A contrastive loss sees the student only
through the batch's vectors v = f(θ), so dL/dθ = Σ_chunks dL/dv_chunk · dv_chunk/dθ:

1. every chunk goes through the student without gradient; only its vectors are kept;
2. the loss of all vectors gives dL/dv (and the gradient of the loss's own parameters), in one small graph;
3. every chunk goes through the student again, with gradient, and takes its part of dL/dv back to θ.

The random generators are put back before each second pass, so that dropout drops the same. Activations are held for one
chunk only; the price is one more forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.artifacts.tokens import TokenBatch
from pipeline.ground.transfer import on_device
from pipeline.training.randomness import random_state, set_random_state

Objective = Callable[[Tensor], Tensor]
"""From the student's vectors [2n, d] (first sides, then second sides; or one side's [n, d]) to a loss."""


def backward(
    accelerator: Accelerator,
    model: nn.Module,
    sides: Sequence[TokenBatch],
    objective: Objective,
    chunk: int | None,
    last: bool = True,
    pieces: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Add the gradient of a batch to what the parameters of model and objective have.

    Args:
        accelerator: of the model; it scales the loss where precision asks for it.
        model: the student, as `Accelerator.prepare` gave it.
        sides: the tokens of both sides of this process' n pairs, or of one side.
        objective: the loss of their vectors; called once. Where it gathers other processes' vectors, all processes must
            call this function.
        chunk: pairs that go through the model at once; None for all.
        last: whether this is the last gradient of an optimiser step: only then do processes exchange the model's.
        pieces: instead of a chunk, in how many parts the pairs go through the model: FSDP's processes must have equally
            many, whose numbers of pairs may differ by one.

    Returns:
        The loss and the vectors [2n, d] (of one side [n, d]), without gradient.
    """
    parts = list(_pieces(len(sides[0]), chunk)) if pieces is None else np.array_split(np.arange(len(sides[0])), pieces)
    if len(parts) == 1:
        with _exchange(accelerator, model, last):
            vectors: Tensor = model(TokenBatch.joined(list(sides)))
            loss = objective(vectors)
            accelerator.backward(loss)
        return loss.detach(), vectors.detach()
    vectors, states = _vectors(accelerator, model, sides, parts)
    vectors.requires_grad_()
    loss = objective(vectors)
    accelerator.backward(loss)
    gradient = vectors.grad
    if gradient is None:  # a loss that says nothing of the vectors
        return loss.detach(), vectors.detach()
    pairs = len(sides[0])
    for number, (rows, state) in enumerate(zip(parts, states[:-1], strict=True)):
        own = on_device(np.concatenate([rows + side * pairs for side in range(len(sides))]), gradient.device)
        set_random_state(state, accelerator.device)
        with _exchange(accelerator, model, last and number == len(parts) - 1):
            model(_select(sides, rows)).backward(gradient=gradient[own])
    set_random_state(states[-1], accelerator.device)
    return loss.detach(), vectors.detach()


@torch.no_grad()
def _vectors(
    accelerator: Accelerator, model: nn.Module, sides: Sequence[TokenBatch], pieces: list[NDArray[np.int64]]
) -> tuple[Tensor, list[Tensor]]:
    """The vectors [2n, d] chunk by chunk, and the random state before each chunk and after the last."""
    firsts, seconds, states = [], [], []
    for rows in pieces:
        states.append(random_state(accelerator.device))
        vectors = model(_select(sides, rows))
        firsts.append(vectors[: len(rows)])
        seconds.append(vectors[len(rows) :])
    states.append(random_state(accelerator.device))
    return torch.cat(firsts + seconds), states


def _pieces(pairs: int, chunk: int | None) -> Iterator[NDArray[np.int64]]:
    step = min(chunk or pairs, pairs)
    for start in range(0, pairs, max(step, 1)):
        yield np.arange(start, min(start + step, pairs))


def piece_count(pairs: int, processes: int, chunk: int | None) -> int:
    """In how many parts the pairs of a batch go through the model, the same number on all processes.

    >>> [piece_count(21, 2, chunk) for chunk in (None, 5, 1)]
    [1, 3, 10]
    """
    most = -(-pairs // processes)
    return 1 if chunk is None else max(min(-(-most // chunk), pairs // processes), 1)


def _select(sides: Sequence[TokenBatch], rows: NDArray[np.int64]) -> TokenBatch:
    return TokenBatch.joined([side.select(rows) for side in sides])


def _exchange(accelerator: Accelerator, model: nn.Module, wanted: bool) -> AbstractContextManager[None]:
    """Around a forward and backward pass: whether processes average its gradient."""
    context: AbstractContextManager[None] = nullcontext() if wanted else accelerator.no_sync(model)
    return context
