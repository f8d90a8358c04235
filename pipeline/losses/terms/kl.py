"""KL divergence of the student's distribution from the teacher's, both at one temperature.

    ℓ = 1/n Σ_i Σ_j w(i, j) · log( w(i, j) / q(i, j) ),   w = softmax_j s(i, j)/τ,   q = softmax_j c(i, j)/τ

s: label similarities; c: the student's cosines of the view. It is the soft loss with equal temperatures less the
labels' entropy: the same gradient, but zero exactly when every row of the student's similarities is the teacher's up to
a constant, so its value says how far the student still is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pipeline.losses.base import Contrastive, Tempered

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.losses.batch import Batch


class KL(Contrastive, Tempered):
    """KL(teacher ‖ student) over columns, mean over rows, in nats.

    Attributes:
        temperature: the student's is τ of both sides; the teacher's is not looked at.

    Example:
        >>> import torch
        >>> from pipeline.losses.batch import Batch
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> batch = Batch(x=x, y=x, labels=torch.tensor([[1.0, 0.0], [0.6, 0.8]]))
        >>> measure = KL(temperature={"student": 1.0}).against(batch)
        >>> measure(batch.similarities("x", "y"))  # .7146 - the entropy .6735
        tensor(0.0410)
    """

    name: Literal["kl"] = "kl"

    def against(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        """Fix the teacher's log-probabilities [n, m]."""
        import torch
        from torch.nn import functional

        tau = self.tau.student
        target = torch.log_softmax(batch.label_similarities / tau, dim=1)

        def measure(cosines: Tensor) -> Tensor:
            log_probabilities = torch.log_softmax(cosines / tau, dim=1)
            return functional.kl_div(log_probabilities, target, reduction="batchmean", log_target=True)

        return measure
