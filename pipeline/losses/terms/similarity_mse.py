"""The similarity-matrix MSE of the paper's authors' code: the student's similarities are to be the teacher's.

    ℓ = 1/(n·m) Σ_i Σ_j (c(i, j) - s(i, j))²

s: label similarities; c: the student's cosines of the view. It compares similarities, not vectors, so it is not MSE
distillation (`pipeline.losses.terms.mse`). The authors' code (github.com/YAI12xLinq-B/IMASCL, loss type MMSE) divides the
difference by τ: a weight of 1/τ² here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pipeline.losses.base import Contrastive

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.losses.batch import Batch


class SimilarityMSE(Contrastive):
    """Mean squared difference of the student's similarities from the labels', over rows and columns.

    Example:
        >>> import torch
        >>> from pipeline.losses.batch import Batch
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> batch = Batch(x=x, y=x, labels=torch.tensor([[1.0, 0.0], [0.6, 0.8]]))
        >>> SimilarityMSE().against(batch)(batch.similarities("x", "y"))  # (0 + .36 + .36 + 0)/4
        tensor(0.1800)
    """

    name: Literal["similarity_mse"] = "similarity_mse"

    def against(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        """Fix the label similarities s [n, m]."""
        target = batch.label_similarities
        return lambda cosines: ((cosines - target) ** 2).mean()
