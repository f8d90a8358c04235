"""From the student's space to the teacher's, for losses that compare the student's vectors with the teacher's own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.losses.batch import Batch, at_least_float32
from pipeline.losses.objective import Loss, Objective


class TeacherSpace(nn.Module):
    """P f(x): the identity where student and teacher have equal dimensions, otherwise a learned linear map.

    Args:
        student_dimension: d.
        teacher_dimension: t; where it differs from d, the map is a parameter [t, d] without bias, that starts
            (semi-)orthogonal, so that the teacher's cosines are first sought in the student's own.
        seed: the seed of the map's start.
    """

    def __init__(self, student_dimension: int, teacher_dimension: int, seed: int = 0) -> None:
        super().__init__()
        self.projection: nn.Linear | None = None
        if student_dimension != teacher_dimension:
            # Neither the layer nor its start draws from torch's global generator: what else is seeded stays as it was.
            layer = nn.Linear(student_dimension, teacher_dimension, bias=False, device="meta")
            self.projection = layer.to_empty(device="cpu")
            nn.init.orthogonal_(self.projection.weight, generator=torch.Generator().manual_seed(seed))

    def forward(self, student: Tensor) -> Tensor:
        """Vectors [n, t] of the student's [n, d], in float32 at least, not normalised again."""
        vectors = at_least_float32(student)
        with torch.autocast(vectors.device.type, enabled=False):
            return vectors if self.projection is None else self.projection(vectors)


class Projected(Loss):
    """Both sides' vectors, in the teacher's space, held to a target there.

    Args:
        target: what they are held to.
        student_dimension: d.
        teacher_dimension: t.
        seed: the seed of the map's start.
    """

    def __init__(self, target: Objective, student_dimension: int, teacher_dimension: int, seed: int = 0) -> None:
        super().__init__()
        self.target = target
        self.space = TeacherSpace(student_dimension, teacher_dimension, seed)

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Two parts: ``x`` and ``y``."""
        measure = self.target.against(batch)
        return {"x": measure(self.space(batch.x)), "y": measure(self.space(batch.y))}


class ToOwn(Loss):
    """Both sides' vectors, in the teacher's space, held to its vectors of the same sentences.

    Args:
        student_dimension: d.
        teacher_dimension: t.
        seed: the seed of the map's start.
    """

    def __init__(self, student_dimension: int, teacher_dimension: int, seed: int = 0) -> None:
        super().__init__()
        self.space = TeacherSpace(student_dimension, teacher_dimension, seed)

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Two parts: ``x`` and ``y``.

        Raises:
            ValueError: if the batch holds no teacher vectors, or labels that know only the first sides.
        """
        if batch.teacher is None:
            raise ValueError("own: the batch holds no teacher vectors")
        width = batch.teacher.shape[1]
        if batch.labels.shape[1] != 2 * width:
            raise ValueError("own: the labels know only the first sides; expected labels.strategy: average")
        # Average labels are both sides' vectors, one behind the other, over √2.
        second = at_least_float32(batch.labels[:, width:]) * 2**0.5
        targets = {"x": at_least_float32(batch.teacher), "y": second}
        sides = {"x": batch.x, "y": batch.y}
        return {side: ((self.space(sides[side]) - targets[side]) ** 2).sum(dim=1).mean() for side in sides}
