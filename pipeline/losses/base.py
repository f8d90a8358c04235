"""What losses derive from. Importing this, or a loss, brings no torch: params.yaml is read without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.config.train import Anchored, LossTerm, Tempered

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.losses.batch import Batch
    from pipeline.losses.objective import Loss

__all__ = ["Anchored", "Contrastive", "InTeacherSpace", "LossTerm", "Tempered"]


class Contrastive(LossTerm):
    """A loss that says what a matrix of the student's similarities should look like, across languages or also inside them.

    Attributes:
        tcm: λ of TCM, which adds the same objective inside each language (`pipeline.losses.tcm`); without it only L_cross.
    """

    tcm: Annotated[float, Field(gt=0)] | None = None

    def against(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        """Fix the batch's target once; what is returned maps similarities [n, m] of any view of it to a scalar."""
        raise NotImplementedError

    def build(self, student_dimension: int, teacher_dimension: int, seed: int) -> Loss:
        """See `LossTerm.build`."""
        from pipeline.losses.objective import CrossLingual
        from pipeline.losses.tcm import TCM

        return CrossLingual(self) if self.tcm is None else TCM(self, self.tcm)


class InTeacherSpace(LossTerm):
    """A loss that compares the student's vectors of both sides, mapped to the teacher's space, with the teacher's own."""

    def against(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        """Fix the batch's target once; what is returned maps one side's vectors [n, t], not normalised, to a scalar."""
        raise NotImplementedError

    def build(self, student_dimension: int, teacher_dimension: int, seed: int) -> Loss:
        """See `LossTerm.build`."""
        from pipeline.losses.projection import Projected

        return Projected(self, student_dimension, teacher_dimension, seed)
