"""The soft contrastive loss: the student's similarities are to be distributed as the teacher's (arXiv 2405.16155).

    w(i, j) = exp(s(i, j)/τ_teacher) / Σ_k exp(s(i, k)/τ_teacher)
    ℓ = -1/n Σ_i Σ_j w(i, j) · log( exp(c(i, j)/τ_student) / Σ_k exp(c(i, k)/τ_student) )

s: label similarities; c: the student's cosines of the view (x→y, y→x, or inside a language for TCM). Duplicates need no
care: s(i, j) = 1 shares the label's mass among them. The loss is never below the labels' entropy; see
`pipeline.losses.kl` for the same gradient with a minimum of zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.losses.batch import Batch, at_least_float32


@dataclass(frozen=True)
class Soft:
    """Cross-entropy of the teacher's distribution over columns against the student's.

    Attributes:
        teacher_temperature: τ_teacher: small makes labels one-hot, large makes them uniform.
        student_temperature: τ_student.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> batch = Batch(x=x, y=x, labels=torch.tensor([[1.0, 0.0], [0.6, 0.8]]))
        >>> measure = Soft(teacher_temperature=1.0, student_temperature=1.0).against(batch)
        >>> measure(batch.similarities("x", "y"))  # w = softmax(1, .6) = (.5987, .4013); log p = (-.3133, -1.3133)
        tensor(0.7146)
    """

    teacher_temperature: float = 0.1
    student_temperature: float = 0.1

    def against(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        """Fix the batch's weights w [n, m]."""
        weights = soft_labels(batch.label_similarities, self.teacher_temperature)
        return lambda cosines: functional.cross_entropy(cosines / self.student_temperature, weights)


def soft_labels(similarities: Tensor, temperature: float) -> Tensor:
    """Weights w [n, m]: each row of similarities as a distribution over columns, in float32 at least.

    Example:
        >>> soft_labels(torch.tensor([[1.0, 0.6]]), 1.0)
        tensor([[0.5987, 0.4013]])
    """
    return torch.softmax(at_least_float32(similarities) / temperature, dim=1)
