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
(`pipeline.losses.mse`) also pins the student to that space, but says nothing of what a sentence must be told from.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from pipeline.losses.batch import Batch, similarities
from pipeline.losses.objective import Loss
from pipeline.losses.projection import TeacherSpace
from pipeline.losses.soft import soft_labels


class CorpusLoss(Loss):
    """Both sides' distribution over anchors is to be the teacher's.

    Args:
        student_dimension: d.
        teacher_dimension: t; a map is learned where it differs from d.
        teacher_temperature: τ_teacher.
        student_temperature: τ_student.
        seed: of the map's start.

    Example:
        >>> import torch
        >>> from pipeline.losses.batch import Anchors
        >>> x, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
        >>> anchors = Anchors(torch.cat([x, other]), torch.cat([x, other]))
        >>> batch = Batch(x=x, y=other, labels=x, teacher=x, anchors=anchors)
        >>> # w = softmax(1, .6) = (.5987, .4013); log p = (-.5130, -.9130) for x, (-.9130, -.5130) for y: .6735 + .7525
        >>> CorpusLoss(2, 2, 1.0, 1.0)(batch)
        tensor(1.4260)
    """

    def __init__(
        self,
        student_dimension: int,
        teacher_dimension: int,
        teacher_temperature: float = 0.05,
        student_temperature: float = 0.05,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.space = TeacherSpace(student_dimension, teacher_dimension, seed)
        self.teacher_temperature, self.student_temperature = teacher_temperature, student_temperature

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Two parts: ``x`` and ``y``. Holds similarities with the anchors, 4·n·c bytes each.

        Raises:
            ValueError: if the batch has no anchors.
        """
        anchors = batch.anchors
        if anchors is None:
            raise ValueError("corpus: the batch has no anchors")
        weights = soft_labels(similarities(batch.labels, anchors.labels), self.teacher_temperature)

        def measure(student: Tensor) -> Tensor:
            cosines = similarities(self.space(student), anchors.teacher)
            return functional.cross_entropy(cosines / self.student_temperature, weights)

        return {"x": measure(batch.x), "y": measure(batch.y)}
