"""What must not change a loss, and where losses meet."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_batches import gradients, make_batch, term

from pipeline.losses.batch import Batch, Columns
from pipeline.losses.combine import build_loss

TERMS = {
    "soft": term("soft", teacher=0.2, student=0.1),
    "soft, tcm": term("soft", tcm=2.0),
    "hard": term("hard", student=0.1, margin=0.1, mask_duplicates=True),
    "hard, tcm": term("hard", tcm=1.0),
    "kl": term("kl"),
    "similarity_mse": term("similarity_mse"),
    "mse": term("mse"),
}
POINTS = torch.tensor([0, 1, 0, 2, 2, 0])


def build(*terms):
    return build_loss(terms, student_dimension=5, teacher_dimension=3).double()


def reordered(batch, order):
    return Batch(*(value[order] for value in (batch.x, batch.y, batch.labels, batch.teacher, batch.points)))


@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(6)), seed=st.integers(0, 100))
def test_the_order_of_pairs_is_nothing(term, order, seed):
    batch = make_batch(seed=seed, points=POINTS)
    loss = build(term)
    assert loss(reordered(batch, list(order))).item() == pytest.approx(loss(batch).item(), rel=1e-12)


@pytest.mark.parametrize("term", [term for name, term in TERMS.items() if name != "mse"], ids=lambda term: term.name)
def test_the_sides_can_be_exchanged(term):
    batch = make_batch(points=POINTS)
    exchanged = Batch(batch.y, batch.x, batch.labels, points=batch.points)
    loss = build(term)
    assert loss(exchanged).item() == pytest.approx(loss(batch).item(), rel=1e-12)


def test_soft_becomes_hard_as_the_teachers_temperature_goes_to_zero():
    batch = make_batch()
    soft = build(term("soft", teacher=1e-4, student=0.1))(batch)
    hard = build(term("hard", student=0.1))(batch)
    torch.testing.assert_close(soft, hard)
    torch.testing.assert_close(gradients(soft, batch), gradients(hard, batch))


def test_kl_is_soft_less_the_labels_entropy_with_the_same_gradient():
    batch = make_batch()
    weights = torch.softmax(batch.label_similarities / 0.3, dim=1)
    entropy = -(weights * weights.log()).sum(dim=1).mean()
    kl = build(term("kl", student=0.3))(batch)
    soft = build(term("soft", teacher=0.3, student=0.3))(batch)
    torch.testing.assert_close(kl, soft - 2 * entropy)
    torch.testing.assert_close(gradients(kl, batch), gradients(soft, batch))


def test_a_student_with_the_teachers_similarities_is_at_the_minimum():
    labels = make_batch().labels
    batch = Batch(labels, labels, labels, teacher=labels)
    loss = build_loss(
        [term("kl", tcm=1.0), term("similarity_mse", tcm=1.0), term("mse")],
        student_dimension=4,
        teacher_dimension=4,
    )
    assert loss(batch).item() == pytest.approx(0.0, abs=1e-12)


def test_one_label_vector_serves_priority_and_average():
    first, second = make_batch(seed=1).labels, make_batch(seed=2).labels
    batch = make_batch()
    joined = Batch(batch.x, batch.y, torch.cat([first, second], dim=1) / math.sqrt(2))
    torch.testing.assert_close(joined.label_similarities, (first @ first.T + second @ second.T) / 2)


def test_soft_labels_share_their_mass_among_duplicates():
    labels = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    x = make_batch(rows=3).x.detach()
    twins, swapped = Batch(x, x, labels), Batch(x, x[[1, 0, 2]], labels)
    loss = build(TERMS["soft"])
    assert loss(twins).item() == pytest.approx(loss(swapped).item(), rel=1e-12)


def test_masking_changes_nothing_without_duplicates_and_lowers_the_loss_with_them():
    plain = build(term("hard", student=0.1))
    masked = build(term("hard", student=0.1, mask_duplicates=True))
    distinct = make_batch(points=torch.arange(6))
    assert masked(distinct).item() == plain(distinct).item()
    duplicates = make_batch(points=POINTS)
    assert masked(duplicates).item() < plain(duplicates).item()


def test_a_batch_of_one_point_masked_has_no_negatives_and_no_loss():
    batch = make_batch(points=torch.zeros(6, dtype=torch.int64))
    value = build(term("hard", mask_duplicates=True))(batch)
    assert value.item() == 0.0
    assert all(gradient.abs().max().item() == 0.0 for gradient in gradients(value, batch))


@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
def test_rows_against_all_columns_average_to_the_whole_batch(term):
    whole = make_batch(points=POINTS)
    columns = Columns(whole.x, whole.y, whole.labels, whole.points)
    loss = build(term)
    parts = [
        loss(Batch(*(v[i : i + 3] for v in (whole.x, whole.y, whole.labels, whole.teacher, whole.points)), columns, i))
        for i in (0, 3)
    ]
    mean = torch.stack(parts).mean()
    torch.testing.assert_close(mean, loss(whole))
    torch.testing.assert_close(gradients(mean, whole), gradients(loss(whole), whole))


def test_a_queue_behind_the_own_columns_only_adds_negatives():
    batch, older = make_batch(seed=0), make_batch(seed=9)
    columns = Columns(
        *(torch.cat(pair) for pair in ((batch.x, older.x), (batch.y, older.y), (batch.labels, older.labels)))
    )
    queued = Batch(batch.x, batch.y, batch.labels, columns=columns)
    loss = build(term("hard"))
    assert loss(queued).item() > loss(batch).item()


@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
def test_autocast_changes_no_bit(term):
    loss = build_loss([term], student_dimension=5, teacher_dimension=3)
    batch = make_batch(points=POINTS, dtype=torch.float32)
    plain = loss(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(make_batch(points=POINTS, dtype=torch.float32))
    assert value.dtype == torch.float32
    assert value.item() == plain.item()


@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
def test_half_precision_vectors_give_a_float32_loss(term):
    batch = make_batch(points=POINTS, dtype=torch.bfloat16)
    value = build_loss([term], student_dimension=5, teacher_dimension=3)(batch)
    assert value.dtype == torch.float32
    assert gradients(value, batch)[0].dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["soft", "hard", "kl"])
def test_tiny_temperatures_overflow_nothing(name):
    options = {"soft": {"teacher": 1e-6, "student": 1e-6}}.get(name, {"student": 1e-6})
    batch = make_batch(dtype=torch.float32)
    value = build_loss([term(name, 1.0, tcm=1.0, **options)], student_dimension=5, teacher_dimension=3)(batch)
    assert torch.isfinite(value)
    assert all(torch.isfinite(gradient).all() for gradient in gradients(value, batch))


def test_collapsed_vectors_give_the_uniform_loss():
    x = torch.tensor([[1.0, 0.0]]).repeat(8, 1)
    batch = Batch(x, x, make_batch(rows=8).labels.float())
    value = build_loss([term("soft")], student_dimension=2, teacher_dimension=2)(batch)
    assert value.item() == pytest.approx(2 * math.log(8))
