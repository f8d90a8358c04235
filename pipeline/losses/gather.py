"""Negatives from all processes, with the gradient of one process on the joined batch.

Each process keeps its own n rows and gathers everybody's rows as columns. Its loss is the mean over its rows, so the
mean of the W processes' losses is the loss of the joined batch of W·n pairs. For the gradient, what every process' loss
says about a column must come back to the process that made it: the backward pass sums the columns' gradients over
processes. Then the mean of the parameters' gradients over processes, which DistributedDataParallel takes anyway, is
exactly the joined batch's gradient. Nothing is to be multiplied by W.

The common shortcut (the paper's authors' code among others) puts the whole loss on every process but lets gradient
through to local vectors only: after the mean over processes the gradient is 1/W of the true one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor
from torch import distributed as dist

from pipeline.losses.batch import Batch, Columns


def gather_columns(batch: Batch, group: dist.ProcessGroup | None = None) -> Batch:
    """The batch with the rows of all processes, in order of rank, as its columns.

    Every process of the group must call it, with equally many rows. Without torch.distributed, or alone, the batch
    comes back as it is. Losses with parameters of their own (`pipeline.losses.mse`) must be averaged over processes
    like the student.

    Args:
        batch: this process' rows; it must have no columns yet (append queues afterwards).
        group: the processes; all of them if None.

    Raises:
        ValueError: if the batch has columns, or processes have different numbers of rows.

    Held in memory, on top of the batch: the W·n columns' vectors and, in the backward pass, as much again for
    gradients.
    """
    if batch.columns is not None:
        raise ValueError("gather: the batch has columns already, expected rows alone")
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size(group) == 1:
        return batch
    _check_sizes(batch, group)
    # Both sides in one tensor: one collective each way, so that no two processes can meet in different ones.
    x, y = gather(torch.stack([batch.x, batch.y], dim=1), group).unbind(dim=1)
    labels = gather(batch.labels.detach(), group)
    points = None if batch.points is None else gather(batch.points, group)
    return replace(batch, columns=Columns(x, y, labels, points), offset=dist.get_rank(group) * len(batch))


def gather(rows: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    """The rows [n, …] of all W processes in order of rank, [W·n, …], the same on each of them.

    The gradient of a row is the sum over processes of what each says about it.
    """
    return cast(Tensor, _Gather.apply(rows, group))  # type: ignore[no-untyped-call]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        ctx.group, ctx.rows = group, len(rows)
        everybody = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(_world(group))]
        dist.all_gather(everybody, rows.contiguous(), group=group)
        return torch.cat(everybody)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        # All-reduce and a slice instead of reduce-scatter, which not every backend has; in place on a copy of our own.
        summed = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed, group=ctx.group)
        first = dist.get_rank(ctx.group) * ctx.rows
        return summed[first : first + ctx.rows], None


def _world(group: dist.ProcessGroup | None) -> int:
    return dist.get_world_size(group)


def _check_sizes(batch: Batch, group: dist.ProcessGroup | None) -> None:
    # A collective over tensors of unequal sizes hangs or mixes up memory, and says nothing.
    mine = torch.tensor([len(batch), batch.points is not None], device=batch.x.device)
    sizes = [torch.empty_like(mine) for _ in range(_world(group))]
    dist.all_gather(sizes, mine, group=group)
    found = torch.stack(sizes).tolist()
    if any(size != found[0] for size in found):
        rows = ", ".join(str(size[0]) for size in found)
        raise ValueError(f"gather: processes have {rows} rows, expected equally many, all or none with points")
