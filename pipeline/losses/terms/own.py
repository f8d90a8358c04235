"""Distillation of the teacher's own vectors: each side is pulled to the teacher's vector of that very sentence.

    L = 1/n Σ_i ( ‖P f(x_i) - g(x_i)‖² + ‖P f(y_i) - g(y_i)‖² )

Where the student starts as its multilingual teacher, this holds it to its own start, and what it knew of similarity inside
each language stays; other terms of the loss bring the languages together. (MSE distillation, `pipeline.losses.terms.mse`,
pulls both sides to the first side's vector.) The teacher must know both languages: ``labels.strategy: average``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline.config.train import LossTerm

if TYPE_CHECKING:
    from pipeline.losses.objective import Loss


class Own(LossTerm):
    """Squared distance of each side to the teacher's vector of the same sentence.

    Example:
        >>> import torch
        >>> from pipeline.losses.batch import Batch
        >>> x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
        >>> labels = torch.cat([x, x], dim=1) * 0.5**0.5  # average labels of a teacher to whom both sides are alike
        >>> parts = Own().build(2, 2, seed=0).parts(Batch(x=x, y=y, labels=labels, teacher=x))
        >>> parts["x"], parts["y"]  # 0, .16 + .64
        (tensor(0.), tensor(0.8000))
    """

    both_sides = True

    name: Literal["own"] = "own"

    def build(self, student_dimension: int, teacher_dimension: int, seed: int) -> Loss:
        """See `LossTerm.build`."""
        from pipeline.losses.projection import ToOwn

        return ToOwn(student_dimension, teacher_dimension, seed)
