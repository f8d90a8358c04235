"""Corpus-wide soft labels: each sentence against the teacher's vectors of label points of the whole corpus.

    w(i, c) = exp(s(i, c)/τ_teacher) / Σ_c' exp(s(i, c')/τ_teacher)
    ℓ(f) = -1/n Σ_i Σ_c w(i, c) · log( exp(P f_i · g_c/τ_student) / Σ_c' exp(P f_i · g_c'/τ_student) )
    L = ℓ(f(x)) + ℓ(f(y))

c runs over anchors: the batch's own label points, points drawn from the whole corpus, and neighbours of the batch's
points (`pipeline.training.anchors`). g: the teacher's vectors; P: the identity, or a learned map into the teacher's
space (`pipeline.losses.projection`).

In a random batch the teacher's labels are nearly one-hot. A sentence's real neighbours are elsewhere in the corpus, and
so are the sentences that it must be told from. The student's vectors of other sentences would cost a pass each, or age in
a queue; the teacher's are on disk already and never age, and a student that is measured against them learns the teacher's
space itself. It is distillation of the distribution over a large bank (Fang et al. 2021, arXiv 2101.04731, for images;
Tian et al. 2020, arXiv 1910.10699), with the teacher's side computed once, and across languages. MSE distillation
(`pipeline.losses.terms.mse`) also pins the student to that space, but says nothing of what a sentence must be told from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pipeline.losses.base import Anchored, InTeacherSpace, Tempered

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.losses.batch import Batch


class CorpusLoss(InTeacherSpace, Anchored, Tempered):
    """Both sides' distribution over anchors is to be the teacher's.

    Attributes:
        temperature: τ of the teacher's labels over anchors, and of the student's similarities with them.
        anchors: label points of the whole corpus, drawn at random, that each batch is compared with.
        neighbors: besides, so many stored neighbours of each pair's label point.

    Example:
        >>> import torch
        >>> from pipeline.losses.batch import Anchors, Batch
        >>> x, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
        >>> anchors = Anchors(torch.cat([x, other]), torch.cat([x, other]))
        >>> measure = CorpusLoss(temperature={"teacher": 1.0, "student": 1.0}).against(Batch(x, other, x, anchors=anchors))
        >>> measure(x), measure(other)  # w = softmax(1, .6) = (.5987, .4013); log p = (-.5130, -.9130), (-.9130, -.5130)
        (tensor(0.6735), tensor(0.7525))
    """

    name: Literal["corpus"] = "corpus"

    def against(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        """Fix the weights of the anchors [n, c]; holds similarities with them, 4·n·c bytes.

        Raises:
            ValueError: if the batch has no anchors.
        """
        from torch.nn import functional

        from pipeline.losses.batch import similarities, soft_labels

        anchors, tau = batch.anchors, self.tau
        if anchors is None:
            raise ValueError("corpus: the batch has no anchors")
        weights = soft_labels(similarities(batch.labels, anchors.labels), tau.teacher)
        return lambda vectors: functional.cross_entropy(similarities(vectors, anchors.teacher) / tau.student, weights)
