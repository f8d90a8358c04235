"""The pieces of a batch through a model side by side, forwards and backwards: a thread each, which waits for no other.

Threads that share every operation of a training step wait for each other some thousand times a step; those that have a piece
of their own twice. Each piece is a graph of its own, which ends at what the caller gives it; to the caller all are one
operation, whose gradients are added up in the order of the pieces. So the bits depend on the pieces, and on nothing that
threads do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pipeline.ground.side_by_side import side_by_side

Compute = Callable[[int, Tensor], Tensor]
"""From a piece's number and its input to its result, by parameters that it only reads; nothing is drawn at random in it."""


def in_pieces(compute: Compute, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> list[Tensor]:
    """What a function makes of each input, computed in as many threads, each in torch's modes of the caller.

    Results have the gradients of inputs and ``parameters``, if gradients are on. Holds the graphs of all pieces until it has
    gone backwards, and there the gradients of all pieces.
    """
    return list(_Pieces.apply(compute, torch.is_grad_enabled(), len(inputs), *inputs, *parameters))  # type: ignore[no-untyped-call]


class _Pieces(torch.autograd.Function):
    """`in_pieces` as one operation."""

    @staticmethod
    def forward(ctx: Any, compute: Compute, with_gradients: bool, count: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        leaves = [given.detach().requires_grad_(given.requires_grad) for given in tensors[:count]]
        results: list[Tensor] = []
        # Modes are each thread's own. Autocast keeps no casts of parameters: these would be parts of two graphs.
        dtype, casts = torch.get_autocast_dtype("cpu"), torch.is_autocast_enabled("cpu")

        def one(number: int) -> Tensor:
            modes = torch.autocast("cpu", dtype=dtype, enabled=casts, cache_enabled=False)
            with modes, torch.set_grad_enabled(with_gradients):
                return compute(number, leaves[number])

        side_by_side(one, range(count), count, results.append)
        ctx.leaves, ctx.parameters, ctx.results = leaves, tensors[count:], results
        return tuple(result.detach() for result in results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        found: list[Tensor | None] = []
        total: list[Tensor | None] = [None] * len(ctx.parameters)

        def one(number: int) -> list[Tensor | None]:
            sources = [ctx.leaves[number], *ctx.parameters]
            asked = [place for place, source in enumerate(sources) if source.requires_grad]
            made = torch.autograd.grad(
                ctx.results[number], [sources[place] for place in asked], gradients[number], allow_unused=True
            )
            of_source = dict(zip(asked, made, strict=True))
            return [of_source.get(place) for place in range(len(sources))]

        def add(own: list[Tensor | None]) -> None:
            found.append(own[0])
            for place, gradient in enumerate(own[1:]):
                before = total[place]
                total[place] = gradient if before is None else before if gradient is None else before.add_(gradient)

        side_by_side(one, range(len(ctx.results)), len(ctx.results), add)
        return None, None, None, *found, *total
