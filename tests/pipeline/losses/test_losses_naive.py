"""Every loss, value and gradient, against double loops written from the equations."""

import math

import pytest
import torch
from loss_batches import gradients, make_batch, term

from pipeline.losses.batch import Batch
from pipeline.losses.combine import build_loss

TEACHER, STUDENT, MARGIN = 0.13, 0.07, 0.2


def soft(rows, columns, batch):
    value = torch.zeros(())
    for i in range(len(rows)):
        weight_sum = sum(math.exp(float(batch.labels[i] @ other) / TEACHER) for other in batch.labels)
        student_sum = sum(torch.exp(rows[i] @ other / STUDENT) for other in columns)
        for j in range(len(columns)):
            weight = math.exp(float(batch.labels[i] @ batch.labels[j]) / TEACHER) / weight_sum
            value = value - weight * torch.log(torch.exp(rows[i] @ columns[j] / STUDENT) / student_sum)
    return value / len(rows)


def hard(rows, columns, batch, masked=False):
    value = torch.zeros(())
    for i in range(len(rows)):
        own = torch.exp((rows[i] @ columns[i] - MARGIN) / STUDENT)
        others = own
        for j in range(len(columns)):
            if j != i and not (masked and batch.points[i] == batch.points[j]):
                others = others + torch.exp(rows[i] @ columns[j] / STUDENT)
        value = value - torch.log(own / others)
    return value / len(rows)


def hard_masked(rows, columns, batch):
    return hard(rows, columns, batch, masked=True)


def kl(rows, columns, batch):
    value = torch.zeros(())
    for i in range(len(rows)):
        weight_sum = sum(math.exp(float(batch.labels[i] @ other) / TEACHER) for other in batch.labels)
        student_sum = sum(torch.exp(rows[i] @ other / TEACHER) for other in columns)
        for j in range(len(columns)):
            weight = math.exp(float(batch.labels[i] @ batch.labels[j]) / TEACHER) / weight_sum
            value = value + weight * torch.log(weight / (torch.exp(rows[i] @ columns[j] / TEACHER) / student_sum))
    return value / len(rows)


def similarity_mse(rows, columns, batch):
    value = torch.zeros(())
    for i in range(len(rows)):
        for j in range(len(columns)):
            value = value + (rows[i] @ columns[j] - batch.labels[i] @ batch.labels[j]) ** 2
    return value / (len(rows) * len(columns))


CASES = {
    "soft": (soft, "soft", {"teacher": TEACHER, "student": STUDENT}),
    "hard": (hard, "hard", {"student": STUDENT, "margin": MARGIN}),
    "hard, masked": (hard_masked, "hard", {"student": STUDENT, "margin": MARGIN, "mask_duplicates": True}),
    "kl": (kl, "kl", {"student": TEACHER}),
    "similarity_mse": (similarity_mse, "similarity_mse", {}),
}


def build(*terms):
    return build_loss(terms, student_dimension=5, teacher_dimension=3).double()


def same(fast, naive, batch, tolerance=1e-10):
    torch.testing.assert_close(fast, naive, atol=tolerance, rtol=tolerance, check_dtype=False)
    for found, expected in zip(gradients(fast, batch), gradients(naive, batch), strict=True):
        torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)


def cross(loop, batch):
    return loop(batch.x, batch.y, batch) + loop(batch.y, batch.x, batch)


def mono(loop, batch):
    return loop(batch.x, batch.x, batch) + loop(batch.y, batch.y, batch)


@pytest.fixture
def batch():
    return make_batch(points=torch.tensor([0, 1, 0, 2, 2, 0]))


@pytest.mark.parametrize("case", CASES)
def test_cross_lingual_loss_and_gradient_equal_the_double_loop(case, batch):
    loop, name, options = CASES[case]
    same(build(term(name, 1.0, **options))(batch), cross(loop, batch), batch)


@pytest.mark.parametrize("case", CASES)
def test_tcm_loss_and_gradient_equal_the_double_loop(case, batch):
    loop, name, options = CASES[case]
    same(build(term(name, 1.0, tcm=0.3, **options))(batch), 0.3 * cross(loop, batch) + mono(loop, batch), batch)


@pytest.mark.parametrize("case", CASES)
def test_float32_is_within_a_millionth_of_the_double_loop(case):
    loop, name, options = CASES[case]
    batch = make_batch(rows=4, points=torch.tensor([0, 1, 0, 2]), dtype=torch.float32)
    # The double loop of the very same numbers in float64, so that only the fast path rounds.
    wide = Batch(
        x=batch.x.detach().double().requires_grad_(),
        y=batch.y.detach().double().requires_grad_(),
        labels=batch.labels.double(),
        points=batch.points,
    )
    fast, naive = build(term(name, 1.0, **options))(batch), cross(loop, wide)
    assert fast.dtype == torch.float32
    assert fast.item() == pytest.approx(naive.item(), rel=1e-6, abs=1e-6)
    for found, expected in zip(gradients(fast, batch), gradients(naive, wide), strict=True):
        scale = expected.abs().max().item()
        torch.testing.assert_close(found.double(), expected, atol=1e-6 * max(scale, 1.0), rtol=0)


def test_mse_with_projection_equals_the_double_loop(batch):
    loss = build(term("mse"))
    projection = loss.losses["mse"].space.projection.weight
    naive = torch.zeros(())
    for i in range(len(batch)):
        for side in (batch.x, batch.y):
            for k in range(3):
                naive = naive + (projection[k] @ side[i] - batch.teacher[i, k]) ** 2 / len(batch)
    fast = loss(batch)
    leaves = (batch.x, batch.y, projection)
    torch.testing.assert_close(fast, naive)
    torch.testing.assert_close(torch.autograd.grad(fast, leaves), torch.autograd.grad(naive, leaves))


def test_a_weighted_sum_equals_the_double_loops(batch):
    loss = build(term("soft", 0.5, **CASES["soft"][2]), term("hard", 3.0, **CASES["hard"][2]))
    same(loss(batch), 0.5 * cross(soft, batch) + 3.0 * cross(hard, batch), batch)


@pytest.mark.parametrize("case", CASES)
def test_gradients_equal_finite_differences(case, batch):
    _, name, options = CASES[case]
    loss = build(term(name, 1.0, tcm=0.7, **options))

    def value(x, y):
        return loss(Batch(x=x, y=y, labels=batch.labels, points=batch.points))

    assert torch.autograd.gradcheck(value, (batch.x, batch.y))
