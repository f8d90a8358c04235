"""MSE distillation: both sides are pulled to the teacher's vector of the first (arXiv 2004.09813).

    L = 1/n Σ_i ( ‖P f(x_i) - g(x_i)‖² + ‖P f(y_i) - g(x_i)‖² )

P is the identity where student and teacher have equal dimensions, and otherwise a learned linear map. Squared distances
are summed over dimensions, as in the equation, not averaged: for unit vectors they are 2 - 2·cosine, so that a weight
in a sum of losses means the same for teachers of any dimension (the mean over d dimensions is 1/d of it).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pipeline.losses.base import InTeacherSpace

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.losses.batch import Batch


class MSE(InTeacherSpace):
    """Squared distance of both sides to the teacher's vector of the first side.

    Example:
        >>> import torch
        >>> from pipeline.losses.batch import Batch
        >>> x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
        >>> MSE().against(Batch(x=x, y=y, labels=x, teacher=x))(y)  # .16 + .64
        tensor(0.8000)
    """

    name: Literal["mse"] = "mse"

    def against(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        """Fix the teacher's vectors [n, t].

        Raises:
            ValueError: if the batch holds none.
        """
        from pipeline.losses.batch import at_least_float32

        if batch.teacher is None:
            raise ValueError("mse: the batch holds no teacher vectors")
        teacher = at_least_float32(batch.teacher)
        return lambda vectors: ((vectors - teacher) ** 2).sum(dim=1).mean()
