"""KL divergence of the student's distribution from the teacher's, both at one temperature.

    ℓ = 1/n Σ_i Σ_j w(i, j) · log( w(i, j) / q(i, j) ),   w = softmax_j s(i, j)/τ,   q = softmax_j c(i, j)/τ

s: label similarities; c: the student's cosines of the view. It is the soft loss with equal temperatures less the
labels' entropy: the same gradient, but zero exactly when every row of the student's similarities is the teacher's up to
a constant, so its value says how far the student still is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.losses.batch import Batch


@dataclass(frozen=True)
class KL:
    """KL(teacher ‖ student) over columns, mean over rows, in nats.

    Attributes:
        temperature: τ of both sides.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> batch = Batch(x=x, y=x, labels=torch.tensor([[1.0, 0.0], [0.6, 0.8]]))
        >>> KL(temperature=1.0).against(batch)(batch.similarities("x", "y"))  # .7146 - the entropy .6735
        tensor(0.0410)
    """

    temperature: float = 0.1

    def against(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        """Fix the teacher's log-probabilities [n, m]."""
        target = torch.log_softmax(batch.label_similarities / self.temperature, dim=1)

        def measure(cosines: Tensor) -> Tensor:
            log_probabilities = torch.log_softmax(cosines / self.temperature, dim=1)
            return functional.kl_div(log_probabilities, target, reduction="batchmean", log_target=True)

        return measure
