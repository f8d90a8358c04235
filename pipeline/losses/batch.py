"""A batch as losses see it: n rows (the pairs of this process) against m columns (what they are compared with).

Alone, a batch is its own columns. With several processes the columns are everybody's rows (`pipeline.losses.gather`),
and a queue of older vectors can stand behind them: all that a loss asks is that row i's own column is ``offset + i``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

Side = Literal["x", "y"]


@dataclass(frozen=True, eq=False)
class Columns:
    """The m pairs that rows are compared with.

    Attributes:
        x: [m, d], the student's L2-normalised vectors of the first sides.
        y: [m, d], of the second sides.
        labels: [m, e], their label vectors, L2-normalised, without gradient.
        points: [m] int64, which label point each pair is (equal for duplicates), or None where nobody asks.
    """

    x: Tensor
    y: Tensor
    labels: Tensor
    points: Tensor | None = None

    def __post_init__(self) -> None:
        _check("columns", self.x, self.y, self.labels, self.points)


@dataclass(frozen=True, eq=False)
class Anchors:
    """c label points of the whole corpus, for losses that compare a batch with more than itself.

    Attributes:
        teacher: [c, t], the teacher's L2-normalised vectors of their first sides.
        labels: [c, e], their label vectors, L2-normalised (the same tensor for Priority labels).
    """

    teacher: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.teacher.ndim != 2 or self.labels.ndim != 2 or len(self.teacher) != len(self.labels):
            found = f"{list(self.teacher.shape)} and {list(self.labels.shape)}"
            raise ValueError(f"anchors: teacher and labels are {found}, expected [c, t] and [c, e]")


@dataclass(frozen=True, eq=False)
class Batch:
    """n pairs: the student's vectors, and what the teacher says of them.

    The label vector of a pair is g(p) for Priority labels and concat(g(x), g(y))/√2 for Average labels: its dot
    products are the label similarities s(i, j) of either strategy (arXiv 2405.16155), so losses know nothing of
    strategies.

    Attributes:
        x: [n, d], the student's L2-normalised vectors of the first sides, with gradient.
        y: [n, d], of the second sides.
        labels: [n, e], the label vectors, L2-normalised, without gradient.
        teacher: [n, t], the teacher's L2-normalised vectors of the first sides (only MSE distillation asks for them).
        anchors: label points of the whole corpus, the batch's own among them (only the loss ``corpus`` asks for them).
        points: [n] int64, which label point each pair is; two pairs with the same English sentence, say, are one point.
        columns: what rows are compared with; None stands for the rows themselves.
        offset: row i's own column is ``offset + i``.

    Raises:
        ValueError: if shapes don't fit together.

    Holds in memory, once asked for, the label similarities: 4·n·m bytes.
    """

    x: Tensor
    y: Tensor
    labels: Tensor
    teacher: Tensor | None = None
    points: Tensor | None = None
    columns: Columns | None = None
    offset: int = 0
    anchors: Anchors | None = None

    def __post_init__(self) -> None:
        _check("batch", self.x, self.y, self.labels, self.points)
        if self.teacher is not None and (self.teacher.ndim != 2 or len(self.teacher) != len(self.x)):
            raise ValueError(f"batch: teacher is {list(self.teacher.shape)}, expected [{len(self.x)}, t]")
        if self.anchors is not None and self.anchors.labels.shape[1] != self.labels.shape[1]:
            raise ValueError("batch: the anchors' and the rows' labels differ in dimension")
        if self.columns is None:
            if self.offset:
                raise ValueError(f"batch: offset is {self.offset} without columns, expected 0")
            return
        if self.columns.x.shape[1] != self.x.shape[1] or self.columns.labels.shape[1] != self.labels.shape[1]:
            raise ValueError("batch: columns and rows differ in their vectors' dimensions")
        if not 0 <= self.offset <= len(self.columns.x) - len(self.x):
            raise ValueError(
                f"batch: {len(self.x)} rows from {self.offset} on are not all among {len(self.columns.x)} columns"
            )

    def __len__(self) -> int:
        return len(self.x)

    @property
    def against(self) -> Columns:
        """The columns: those given, or else the rows."""
        return self.columns or Columns(self.x, self.y, self.labels, self.points)

    @property
    def own(self) -> Tensor:
        """[n] int64: each row's own column."""
        return torch.arange(self.offset, self.offset + len(self.x), device=self.x.device)

    @cached_property
    def label_similarities(self) -> Tensor:
        """[n, m]: s(i, j) of row i and column j, without gradient."""
        with torch.no_grad():
            return similarities(self.labels, self.against.labels)

    def similarities(self, rows: Side, columns: Side) -> Tensor:
        """[n, m]: the student's cosines of one side's rows with one side's columns."""
        return similarities(getattr(self, rows), getattr(self.against, columns))


def similarities(rows: Tensor, columns: Tensor) -> Tensor:
    """Dot products [n, m] of rows [n, d] and columns [m, d], in float32 at least, whatever autocast says.

    Temperatures divide similarities by 0.1 and less: bfloat16's error of 4e-3 would be 4 % of the odds.

    Example:
        >>> similarities(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.6, 0.8]]))
        tensor([[1.0000, 0.6000]])
    """
    with torch.autocast(rows.device.type, enabled=False):
        return at_least_float32(rows) @ at_least_float32(columns).T


def at_least_float32(values: Tensor) -> Tensor:
    """The same values; half precision is widened, float64 stays."""
    return values if values.dtype == torch.float64 else values.float()


def soft_labels(similarities: Tensor, temperature: float) -> Tensor:
    """Weights w [n, m]: each row of similarities as a distribution over columns, in float32 at least.

    Example:
        >>> soft_labels(torch.tensor([[1.0, 0.6]]), 1.0)
        tensor([[0.5987, 0.4013]])
    """
    return torch.softmax(at_least_float32(similarities) / temperature, dim=1)


def _check(what: str, x: Tensor, y: Tensor, labels: Tensor, points: Tensor | None) -> None:
    if x.ndim != 2 or x.shape != y.shape or len(x) == 0:
        raise ValueError(f"{what}: x is {list(x.shape)} and y is {list(y.shape)}, expected the same [n, d] with n > 0")
    if labels.ndim != 2 or len(labels) != len(x):
        raise ValueError(f"{what}: labels are {list(labels.shape)}, expected [{len(x)}, e]")
    if points is not None and (points.shape != (len(x),) or points.dtype != torch.int64):
        raise ValueError(f"{what}: points are {points.dtype}{list(points.shape)}, expected torch.int64[{len(x)}]")
