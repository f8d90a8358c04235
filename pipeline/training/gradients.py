"""The gradient of one batch, whole or in chunks: large batches in the memory of small ones.

In chunks it is GradCache (Gao et al. 2021, arXiv 2101.06983), which is exact. A contrastive loss sees the student only
through the batch's vectors v = f(θ), so dL/dθ = Σ_chunks dL/dv_chunk · dv_chunk/dθ:

1. every chunk goes through the student without gradient; only its vectors are kept;
2. the loss of all vectors gives dL/dv (and the gradient of the loss's own parameters), in one small graph;
3. every chunk goes through the student again, with gradient, and takes its part of dL/dv back to θ.

The random generators are put back before each second pass, so that dropout drops the same. Activations are held for one
chunk only; the price is one more forward pass.

What a batch draws at random is a function of the seed, the batch and the process, so a checkpoint needs no generator's state,
and a training goes on with another number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.artifacts.tokens import TokenBatch
from pipeline.ground.transfer import on_device

Objective = Callable[[Tensor], Tensor]
"""From the student's vectors [2n, d] (first sides, then second sides; or one side's [n, d]) to a loss."""


def backward(
    accelerator: Accelerator,
    model: nn.Module,
    sides: Sequence[TokenBatch],
    objective: Objective,
    pieces: int = 1,
    last: bool = True,
) -> tuple[Tensor, Tensor]:
    """Add the gradient of a batch to what the parameters of model and objective have.

    Args:
        accelerator: the model's accelerator; it scales the loss where precision asks for it.
        model: the student, as `Accelerator.prepare` gave it.
        sides: the tokens of both sides of this process' n pairs, or of one side.
        objective: the loss of the sides' vectors; called once. Where it gathers other processes' vectors, all processes
            must call this function.
        pieces: in how many chunks the pairs go through the model (`piece_count`).
        last: whether this is the last gradient of an optimiser step: only then do processes exchange the model's.

    Returns:
        The loss and the vectors [2n, d] (of one side [n, d]), without gradient.
    """
    pairs = len(sides[0])
    if pieces == 1:
        with _exchange(accelerator, model, last):
            vectors: Tensor = model(TokenBatch.joined(list(sides)))
            loss = objective(vectors)
            accelerator.backward(loss)
        return loss.detach(), vectors.detach()
    # 1: every chunk's vectors, without gradient.
    parts = np.array_split(np.arange(pairs), pieces)
    vectors, states = _vectors(accelerator, model, sides, parts)
    # 2: the loss of all vectors; its graph ends at them.
    vectors.requires_grad_()
    loss = objective(vectors)
    accelerator.backward(loss)
    gradient = vectors.grad
    if gradient is None:  # a loss that says nothing of the vectors
        return loss.detach(), vectors.detach()
    # 3: every chunk again, from the same random state; only the last one's gradient is exchanged with other processes.
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


def piece_count(pairs: int, processes: int, chunk: int | None) -> int:
    """In how many chunks a process' part of a batch goes through the model: FSDP wants the same number on all processes.

    Args:
        pairs: pairs of the batch; the processes' parts may differ by one.
        processes: how many processes share the batch.
        chunk: the most pairs that should go through the model at once; None for all.

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


def random_state(device: torch.device) -> Tensor:
    """The state of the CPU's generator, and behind it that of the device if it has its own, uint8 [s] on the CPU."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return torch.cat(states)


def set_random_state(state: Tensor, device: torch.device) -> None:
    """Put back what `random_state` gave on this kind of device; of a state from another kind, the CPU's part."""
    size = len(torch.get_rng_state())
    torch.set_rng_state(state[:size].contiguous())
    if device.type == "cuda" and len(state) > size:
        torch.cuda.set_rng_state(state[size:].contiguous(), device)


def seed_batch(seed: int, batch: int, process: int) -> None:
    """Start all generators for one batch on one process."""
    state = np.random.SeedSequence([seed, 4, batch, process]).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0]))
