"""Negatives from all processes, with the gradient of one process on the joined batch.

Each process keeps its own n rows and gathers everybody's rows as columns. Its loss is the mean over its rows, so the
mean of the W processes' losses is the loss of the joined batch of W·n pairs (processes with different numbers of rows
weight theirs with n·W/N, N the rows of all). For the gradient, what every process' loss
says about a column must come back to the process that made it: the backward pass sums the columns' gradients over
processes. Then the mean of the parameters' gradients over processes, which DistributedDataParallel takes anyway, is
exactly the joined batch's gradient. Nothing is to be multiplied by W.

The common shortcut (the paper's authors' code among others) puts the whole loss on every process but lets gradient
through to local vectors only: after the mean over processes the gradient is 1/W of the true one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor
from torch import distributed as dist

from pipeline.losses.batch import Batch, Columns


def gather_columns(batch: Batch, group: dist.ProcessGroup | None = None, sizes: Sequence[int] | None = None) -> Batch:
    """The batch with the rows of all processes, in order of rank, as its columns.

    Every process of the group must call it. Without torch.distributed, or alone, the batch comes back as it is. Losses with
    parameters of their own (`pipeline.losses.projection`) must be averaged over processes like the student.

    Args:
        batch: this process' rows; it must have no columns yet (append queues afterwards).
        group: the processes; all of them if None.
        sizes: how many rows each process has, where that is known; else they ask each other.

    Raises:
        ValueError: if the batch has columns, a process has no rows, or only some have points.

    Held in memory, on top of the batch: the N columns' vectors and, in the backward pass, as much again for gradients.
    """
    if batch.columns is not None:
        raise ValueError("gather: the batch has columns already, expected rows alone")
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size(group) == 1:
        return batch
    sizes = _sizes(batch, group) if sizes is None else sizes
    # Both sides in one tensor: one collective each way, so that no two processes can meet in different ones.
    x, y = gather(torch.stack([batch.x, batch.y], dim=1), group, sizes).unbind(dim=1)
    labels = gather(batch.labels.detach(), group, sizes)
    points = None if batch.points is None else gather(batch.points, group, sizes)
    return replace(batch, columns=Columns(x, y, labels, points), offset=sum(sizes[: dist.get_rank(group)]))


def gather(rows: Tensor, group: dist.ProcessGroup | None = None, sizes: Sequence[int] | None = None) -> Tensor:
    """The rows [n, …] of all W processes in order of rank, [N, …], the same on each of them.

    The gradient of a row is the sum over processes of what each says about it.

    Args:
        rows: this process' own.
        group: the processes; all of them if None.
        sizes: how many rows each process has; equally many if None.
    """
    counts = [len(rows)] * _world(group) if sizes is None else list(sizes)
    return cast(Tensor, _Gather.apply(rows, group, counts))  # type: ignore[no-untyped-call]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, group: dist.ProcessGroup | None, sizes: list[int]) -> Tensor:
        ctx.group, ctx.sizes = group, sizes
        # A collective takes equal sizes only: shorter parts are filled up, and cut again.
        most = max(sizes)
        own = rows.contiguous()
        if len(own) < most:
            own = torch.cat([own, own.new_zeros((most - len(own), *own.shape[1:]))])
        everybody = [torch.empty_like(own) for _ in sizes]
        dist.all_gather(everybody, own, group=group)
        return torch.cat([part[:size] for part, size in zip(everybody, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        # All-reduce and a slice instead of reduce-scatter, which not every backend has; in place on a copy of our own.
        summed = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed, group=ctx.group)
        rank = dist.get_rank(ctx.group)
        first = sum(ctx.sizes[:rank])
        return summed[first : first + ctx.sizes[rank]], None, None


def _world(group: dist.ProcessGroup | None) -> int:
    return dist.get_world_size(group)


def _sizes(batch: Batch, group: dist.ProcessGroup | None) -> list[int]:
    # A collective over tensors of unequal sizes hangs or mixes up memory, and says nothing.
    mine = torch.tensor([len(batch), batch.points is not None], device=batch.x.device)
    answers = [torch.empty_like(mine) for _ in range(_world(group))]
    dist.all_gather(answers, mine, group=group)
    found = torch.stack(answers).tolist()
    rows = [int(size) for size, _ in found]
    if min(rows) == 0 or len({points for _, points in found}) > 1:
        text = ", ".join(f"{size} rows {'with' if points else 'without'} points" for size, points in found)
        raise ValueError(f"gather: processes have {text}; expected some on each, all or none with points")
    return rows
