"""TCM, "training both cross-lingual and mono-lingual space", on any objective ℓ (arXiv 2405.16155).

    L = λ · L_cross + L_mono
    L_cross = ℓ(f(x_i)·f(y_j)) + ℓ(f(y_i)·f(x_j))
    L_mono  = ℓ(f(x_i)·f(x_j)) + ℓ(f(y_i)·f(y_j))

with the same target in all four views. The sums run over all columns j, i included, as in the authors' code:
f(x_i)·f(x_i) = 1 is a constant like the label's s(i, i) = 1, and the probabilities off the diagonal can be the
teacher's only where both keep it. With a hard objective L_mono has nothing to pull together and only spreads the
vectors of a language apart.

The authors' code adds ℓ of each mono-lingual matrix and of its transpose, which is the same matrix: it counts L_mono
twice, and knows no λ. λ = 0.5 here is half of that loss. "Language" means a side of the batch: in batches of several
language pairs f(y_i)·f(y_j) compares the second sides of all of them.
"""

from __future__ import annotations

from torch import Tensor

from pipeline.losses.batch import Batch
from pipeline.losses.objective import CrossLingual, Loss, Objective


class TCM(Loss):
    """λ · L_cross + L_mono of an objective.

    Args:
        objective: ℓ, taken over all four views.
        weight: λ.

    Example:
        >>> import torch
        >>> from pipeline.losses.terms.similarity_mse import SimilarityMSE
        >>> x, y = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> TCM(SimilarityMSE(), weight=3.0)(Batch(x=x, y=y, labels=x))  # 3·(1 + 1) + (0 + 0)
        tensor(6.)
    """

    def __init__(self, objective: Objective, weight: float = 1.0) -> None:
        super().__init__()
        self.cross = CrossLingual(objective)
        self.weight = weight

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Two parts: ``cross`` (λ included) and ``mono``."""
        measure = self.cross.objective.against(batch)
        cross = measure(batch.similarities("x", "y")) + measure(batch.similarities("y", "x"))
        mono = measure(batch.similarities("x", "x")) + measure(batch.similarities("y", "y"))
        return {"cross": self.weight * cross, "mono": mono}
