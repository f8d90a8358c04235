"""MSE distillation: both sides are pulled to the teacher's vector of the first (arXiv 2004.09813).

    L = 1/n Σ_i ( ‖P f(x_i) - g(x_i)‖² + ‖P f(y_i) - g(x_i)‖² )

P is the identity where student and teacher have equal dimensions, and otherwise a learned linear map. Squared distances
are summed over dimensions, as in the equation, not averaged: for unit vectors they are 2 - 2·cosine, so that a weight
in a sum of losses means the same for teachers of any dimension (the mean over d dimensions is 1/d of it).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.losses.batch import Batch, at_least_float32
from pipeline.losses.objective import Loss


class MSE(Loss):
    """Squared distance of both sides to the teacher's vector of the first side.

    Args:
        student_dimension: d.
        teacher_dimension: t; where it differs from d, a projection is learned: a parameter [t, d] without bias, that
            starts (semi-)orthogonal, so that the teacher's cosines are first sought in the student's own.
        seed: of the projection's start.

    Example:
        >>> x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
        >>> MSE(2, 2)(Batch(x=x, y=y, labels=x, teacher=x))  # 0 + (.16 + .64)
        tensor(0.8000)
    """

    def __init__(self, student_dimension: int, teacher_dimension: int, seed: int = 0) -> None:
        super().__init__()
        self.projection: nn.Linear | None = None
        if student_dimension != teacher_dimension:
            # Neither the layer nor its start draws from torch's global generator: what else is seeded stays as it was.
            layer = nn.Linear(student_dimension, teacher_dimension, bias=False, device="meta")
            self.projection = layer.to_empty(device="cpu")
            nn.init.orthogonal_(self.projection.weight, generator=torch.Generator().manual_seed(seed))

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Two parts: ``x`` and ``y``.

        Raises:
            ValueError: if the batch holds no teacher vectors.
        """
        if batch.teacher is None:
            raise ValueError("mse: the batch holds no teacher vectors")
        with torch.autocast(batch.x.device.type, enabled=False):
            teacher = at_least_float32(batch.teacher)
            return {"x": self._distance(batch.x, teacher), "y": self._distance(batch.y, teacher)}

    def _distance(self, student: Tensor, teacher: Tensor) -> Tensor:
        vectors = at_least_float32(student)
        if self.projection is not None:
            vectors = self.projection(vectors)
        return ((vectors - teacher) ** 2).sum(dim=1).mean()
