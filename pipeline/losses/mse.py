"""MSE distillation: both sides are pulled to the teacher's vector of the first (arXiv 2004.09813).

    L = 1/n Σ_i ( ‖P f(x_i) - g(x_i)‖² + ‖P f(y_i) - g(x_i)‖² )

P is the identity where student and teacher have equal dimensions, and otherwise a learned linear map. Squared distances
are summed over dimensions, as in the equation, not averaged: for unit vectors they are 2 - 2·cosine, so that a weight
in a sum of losses means the same for teachers of any dimension (the mean over d dimensions is 1/d of it).
"""

from __future__ import annotations

from torch import Tensor

from pipeline.losses.batch import Batch, at_least_float32
from pipeline.losses.objective import Loss
from pipeline.losses.projection import TeacherSpace


class MSE(Loss):
    """Squared distance of both sides to the teacher's vector of the first side.

    Args:
        student_dimension: d.
        teacher_dimension: t; where it differs from d, a projection is learned (`pipeline.losses.projection`).
        seed: of the projection's start.

    Example:
        >>> import torch
        >>> x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
        >>> MSE(2, 2)(Batch(x=x, y=y, labels=x, teacher=x))  # 0 + (.16 + .64)
        tensor(0.8000)
    """

    def __init__(self, student_dimension: int, teacher_dimension: int, seed: int = 0) -> None:
        super().__init__()
        self.space = TeacherSpace(student_dimension, teacher_dimension, seed)

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Two parts: ``x`` and ``y``.

        Raises:
            ValueError: if the batch holds no teacher vectors.
        """
        if batch.teacher is None:
            raise ValueError("mse: the batch holds no teacher vectors")
        teacher = at_least_float32(batch.teacher)
        return {"x": self._distance(batch.x, teacher), "y": self._distance(batch.y, teacher)}

    def _distance(self, student: Tensor, teacher: Tensor) -> Tensor:
        difference: Tensor = self.space(student) - teacher
        return (difference**2).sum(dim=1).mean()
