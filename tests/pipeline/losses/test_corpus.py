"""Corpus-wide soft labels: the fast path against a double loop written from the equations, and what must not matter."""

import math

import pytest
import torch
from loss_batches import make_batch, term, unit

from pipeline.losses.batch import Anchors, Batch
from pipeline.losses.combine import WeightedSum, build_loss
from pipeline.losses.projection import TeacherSpace


def with_anchors(rows=5, others=7, dimension=3, seed=0, **options) -> Batch:
    """A Priority batch (labels are the teacher's vectors) with its own points as the first anchors."""
    teacher = torch.cat([unit(rows, dimension, seed + 2), unit(others, dimension, seed + 9)])
    batch = make_batch(rows=rows, labels=dimension, teacher=dimension, seed=seed, **options)
    return Batch(x=batch.x, y=batch.y, labels=teacher[:rows], teacher=teacher[:rows], anchors=Anchors(teacher, teacher))


def corpus_loss(student: int, teacher: int, tau: float = 0.1, seed: int = 0) -> WeightedSum:
    made = term("corpus", teacher=tau, student=tau)
    return build_loss([made], student_dimension=student, teacher_dimension=teacher, seed=seed).double()


def double_loop(batch: Batch, projection: torch.Tensor, teacher_temperature: float, student_temperature: float):
    anchors, total = batch.anchors, torch.zeros((), dtype=torch.float64)
    for side in (batch.x, batch.y):
        for i in range(len(batch)):
            labels = [
                math.exp((batch.labels[i] @ anchors.labels[c]).item() / teacher_temperature)
                for c in range(len(anchors.labels))
            ]
            odds = [
                torch.exp((projection @ side[i]) @ anchors.teacher[c] / student_temperature)
                for c in range(len(anchors.teacher))
            ]
            for c in range(len(anchors.teacher)):
                total = total - labels[c] / sum(labels) * torch.log(odds[c] / sum(odds)) / len(batch)
    return total


@pytest.mark.parametrize(("student", "taus"), [(3, (0.5, 0.7)), (5, (0.2, 0.4))])
def test_loss_and_gradient_equal_the_double_loop(student, taus):
    batch = with_anchors(dimension=3)
    batch = Batch(
        x=unit(5, student, 20).requires_grad_(),
        y=unit(5, student, 21).requires_grad_(),
        labels=batch.labels,
        teacher=batch.teacher,
        anchors=batch.anchors,
    )
    options = {"teacher": taus[0], "student": taus[1]}
    loss = build_loss([term("corpus", 1.0, **options)], student_dimension=student, teacher_dimension=3).double()
    layer = loss.losses["corpus"].space.projection
    projection = torch.eye(3, dtype=torch.float64) if layer is None else layer.weight
    fast, naive = loss(batch), double_loop(batch, projection, *taus)
    leaves = [batch.x, batch.y, *loss.parameters()]
    torch.testing.assert_close(fast, naive, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(torch.autograd.grad(fast, leaves), torch.autograd.grad(naive, leaves))


def test_the_order_of_anchors_and_copies_among_the_batch_do_not_matter():
    batch = with_anchors()
    loss = corpus_loss(5, 3, 0.3, seed=1)
    turned = torch.flip(batch.anchors.teacher, dims=[0])
    other = Batch(x=batch.x, y=batch.y, labels=batch.labels, teacher=batch.teacher, anchors=Anchors(turned, turned))
    torch.testing.assert_close(loss(batch), loss(other))


def test_a_student_that_is_the_teacher_is_at_the_minimum():
    """The gradient along the sphere vanishes where P f(x) = g(x) and both temperatures are equal."""
    batch = with_anchors(dimension=5)
    x = batch.teacher.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(
        corpus_loss(5, 5, 0.2)(Batch(x=x, y=x, labels=batch.labels, teacher=batch.teacher, anchors=batch.anchors)),
        x,
    )
    assert gradient.abs().max() < 1e-12


def test_average_labels_weigh_anchors_by_both_sides():
    """The labels may have another dimension than the teacher's vectors: concat(g(x), g(y))/√2."""
    batch = make_batch(rows=4, dimension=3, labels=6, teacher=3)
    anchors = Anchors(torch.cat([batch.teacher, unit(2, 3, 50)]), torch.cat([batch.labels, unit(2, 6, 51)]))
    wide = Batch(x=batch.x, y=batch.y, labels=batch.labels, teacher=batch.teacher, anchors=anchors)
    naive = double_loop(wide, torch.eye(3, dtype=torch.float64), 0.3, 0.3)
    torch.testing.assert_close(corpus_loss(3, 3, 0.3)(wide), naive)


def test_a_batch_without_anchors_is_refused():
    with pytest.raises(ValueError, match="no anchors"):
        corpus_loss(5, 3)(make_batch())


def test_anchors_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="expected"):
        Anchors(unit(3, 2, 0), unit(4, 2, 0))
    with pytest.raises(ValueError, match="dimension"):
        make_batch(labels=4, anchors=Anchors(unit(3, 3, 0), unit(3, 3, 0)))


def test_the_teachers_space_is_the_students_where_dimensions_are_equal():
    x = unit(3, 4, 0)
    assert torch.equal(TeacherSpace(4, 4)(x), x)
    assert TeacherSpace(4, 6, seed=1)(x.float()).shape == (3, 6)
