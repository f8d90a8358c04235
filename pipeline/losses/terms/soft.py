"""The soft contrastive loss: the student's similarities are to be distributed as the teacher's (arXiv 2405.16155).

    w(i, j) = exp(s(i, j)/τ_teacher) / Σ_k exp(s(i, k)/τ_teacher)
    ℓ = -1/n Σ_i Σ_j w(i, j) · log( exp(c(i, j)/τ_student) / Σ_k exp(c(i, k)/τ_student) )

s: label similarities; c: the student's cosines of the view (x→y, y→x, or inside a language for TCM). Duplicates need no
care: s(i, j) = 1 shares the label's mass among them. The loss is never below the labels' entropy; see
`pipeline.losses.terms.kl` for the same gradient with a minimum of zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pipeline.losses.base import Contrastive, Tempered

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.losses.batch import Batch


class Soft(Contrastive, Tempered):
    """Cross-entropy of the teacher's distribution over columns against the student's.

    Attributes:
        temperature: the teacher's τ (small makes labels one-hot, large makes them uniform), and the student's.

    Example:
        >>> import torch
        >>> from pipeline.losses.batch import Batch
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> batch = Batch(x=x, y=x, labels=torch.tensor([[1.0, 0.0], [0.6, 0.8]]))
        >>> measure = Soft(temperature={"teacher": 1.0, "student": 1.0}).against(batch)
        >>> measure(batch.similarities("x", "y"))  # w = softmax(1, .6) = (.5987, .4013); log p = (-.3133, -1.3133)
        tensor(0.7146)
    """

    name: Literal["soft"] = "soft"

    def against(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        """Fix the batch's weights w [n, m]."""
        from torch.nn import functional

        from pipeline.losses.batch import soft_labels

        weights, tau = soft_labels(batch.label_similarities, self.tau.teacher), self.tau.student
        return lambda cosines: functional.cross_entropy(cosines / tau, weights)
