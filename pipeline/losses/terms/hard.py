"""The hard contrastive loss, InfoNCE: a pair's own counterpart against all others, with an optional additive margin.

    ℓ = -1/n Σ_i log( exp((c(i, i) - margin)/τ) / (exp((c(i, i) - margin)/τ) + Σ_{j≠i} exp(c(i, j)/τ)) )

c: the student's cosines of the view. The margin is LaBSE's (Yang et al. 2019, arXiv 1902.08564). This is the soft loss
with w = identity, the baseline of arXiv 2405.16155.

By the equation a duplicate (the same English sentence in another pair of the batch) is a negative: the student is told
to push a translation away. ``mask_duplicates`` leaves other pairs of the same label point out of the denominator. They
are not made positives as well: that would be a step towards soft labels, which the baseline is to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from pipeline.losses.base import Contrastive, Tempered

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.losses.batch import Batch


class Hard(Contrastive, Tempered):
    """Cross-entropy of "row i belongs to its own column".

    Attributes:
        temperature: the student's is τ of its similarities; the teacher's is not looked at.
        margin: by how much a pair's own cosine has to beat the others'; 0 is plain InfoNCE.
        mask_duplicates: leave other pairs of the same label point out of the negatives; the batch must say its ``points``.

    Example:
        >>> import torch
        >>> from pipeline.losses.batch import Batch
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> batch, tau = Batch(x=x, y=x, labels=x), {"student": 1.0}
        >>> Hard(temperature=tau).against(batch)(batch.similarities("x", "y"))  # log(1 + exp(-1))
        tensor(0.3133)
        >>> Hard(temperature=tau, margin=1.0).against(batch)(batch.similarities("x", "y"))  # log 2
        tensor(0.6931)
    """

    name: Literal["hard"] = "hard"
    margin: Annotated[float, Field(ge=0)] = 0.0
    mask_duplicates: bool = False

    def against(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        """Fix the rows' own columns, and what is to be left out.

        Raises:
            ValueError: if duplicates are to be masked and the batch doesn't say its points.
        """
        import torch
        from torch.nn import functional

        own, left_out, tau = batch.own, self._left_out(batch), self.tau.student

        def measure(cosines: Tensor) -> Tensor:
            if self.margin:
                rows = torch.arange(len(batch), device=cosines.device)
                margins = torch.full_like(own, self.margin, dtype=cosines.dtype)
                cosines = cosines.index_put((rows, own), -margins, accumulate=True)
            if left_out is not None:
                cosines = cosines.masked_fill(left_out, -torch.inf)
            return functional.cross_entropy(cosines / tau, own)

        return measure

    def _left_out(self, batch: Batch) -> Tensor | None:
        if not self.mask_duplicates:
            return None
        points, among = batch.points, batch.against.points
        if points is None or among is None:
            raise ValueError("hard: mask_duplicates needs the batch's points, found none")
        return (points[:, None] == among[None, :]).scatter(1, batch.own[:, None], False)
