"""Values worked out by hand, on literal vectors."""

import math

import pytest
import torch
from loss_batches import term

from pipeline.losses.batch import Batch, soft_labels
from pipeline.losses.combine import build_loss
from pipeline.losses.objective import CrossLingual
from pipeline.losses.projection import Projected
from pipeline.losses.tcm import TCM
from pipeline.losses.terms.mse import MSE

AXES = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
LABELS = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
"""s = (1, .6; .6, 1)"""


@pytest.fixture
def batch():
    """c(x→y) = (.6, 1; .8, 0): rows of x against columns of y; x→x is the identity, y→y is (1, .6; .6, 1)."""
    return Batch(AXES, torch.tensor([[0.6, 0.8], [1.0, 0.0]]), LABELS, teacher=AXES)


def log_odds(difference):
    """-log of the first of two probabilities whose logits differ by so much."""
    return math.log(1 + math.exp(-difference))


def test_own_pulls_each_side_to_the_teachers_vector_of_that_very_sentence():
    # g(x) = (1, 0), g(y) = (.6, .8); f(x) = (.6, .8), f(y) = (1, 0): .16 + .64 each. Average labels are (g(x), g(y))/√2.
    first, second = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
    labels = torch.cat([first, second], dim=1) / math.sqrt(2)
    loss = build_loss([term("own", 3.0)], student_dimension=2, teacher_dimension=2)
    crossed = loss.parts(Batch(second, first, labels, teacher=first))
    assert {name: part.item() for name, part in crossed.items()} == pytest.approx(
        {"own.x": 2.4, "own.y": 2.4}, abs=1e-5
    )
    same = loss.parts(Batch(first, second, labels, teacher=first))
    assert {name: part.item() for name, part in same.items()} == pytest.approx({"own.x": 0.0, "own.y": 0.0}, abs=1e-5)


def test_soft_labels_at_two_temperatures():
    similarities = torch.tensor([[1.0, 0.6]])
    assert soft_labels(similarities, 0.4)[0].tolist() == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))])
    assert soft_labels(similarities, 0.2)[0].tolist() == pytest.approx([1 / (1 + math.exp(-2)), 1 / (1 + math.exp(2))])


def test_soft(batch):
    # τ_teacher .4: w = (a, 1-a; 1-a, a) with a = σ(1). τ_student .2: logits x→y (3, 5; 4, 0), y→x (3, 4; 5, 0).
    a = 1 / (1 + math.exp(-1))
    first = (a * log_odds(-2) + (1 - a) * log_odds(2) + (1 - a) * log_odds(4) + a * log_odds(-4)) / 2
    second = (a * log_odds(-1) + (1 - a) * log_odds(1) + (1 - a) * log_odds(5) + a * log_odds(-5)) / 2
    assert CrossLingual(term("soft", teacher=0.4, student=0.2))(batch).item() == pytest.approx(first + second, rel=1e-6)


def test_hard(batch):
    # τ .2: own logits x→y 3 and 0, others 5 and 4; y→x own 3 and 0, others 4 and 5.
    expected = (log_odds(-2) + log_odds(-4)) / 2 + (log_odds(-1) + log_odds(-5)) / 2
    assert CrossLingual(term("hard", student=0.2))(batch).item() == pytest.approx(expected, rel=1e-6)


def test_a_margin_takes_from_the_own_cosine_only(batch):
    # .1/τ = .5 off the own logit.
    expected = (log_odds(-2.5) + log_odds(-4.5)) / 2 + (log_odds(-1.5) + log_odds(-5.5)) / 2
    assert CrossLingual(term("hard", student=0.2, margin=0.1))(batch).item() == pytest.approx(expected, rel=1e-6)


def test_kl(batch):
    # τ .4: x→x logits (2.5, 0; 0, 2.5), labels a = σ(1) on the diagonal.
    a, b = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-2.5))
    expected = a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b))
    assert term("kl", student=0.4).against(batch)(batch.similarities("x", "x")).item() == pytest.approx(
        expected, rel=1e-5
    )


def test_similarity_mse(batch):
    # x→y differs from s by (-.4, .4; .2, -1), y→x by (-.4, .2; .4, -1).
    assert CrossLingual(term("similarity_mse"))(batch).item() == pytest.approx(
        2 * (0.16 + 0.16 + 0.04 + 1) / 4, rel=1e-6
    )


def test_tcm_weighs_the_cross_lingual_part(batch):
    # x→x differs from s by .6 twice, y→y not at all.
    parts = TCM(term("similarity_mse"), weight=5.0).parts(batch)
    assert parts["cross"].item() == pytest.approx(5 * 0.68, rel=1e-6)
    assert parts["mono"].item() == pytest.approx(2 * 0.36 / 4 + 0, rel=1e-6)


def test_tcm_counts_the_diagonal_of_the_mono_lingual_part():
    # Hard labels, orthogonal vectors: log(1 + exp(-1/τ)) each; without the diagonal it would be log 1 = 0.
    value = TCM(term("hard", student=0.5)).parts(Batch(AXES, AXES, AXES))["mono"]
    assert value.item() == pytest.approx(2 * log_odds(2), rel=1e-6)


def test_mse(batch):
    # x is the teacher's own; y is (.6, .8) for (1, 0) and (1, 0) for (0, 1): .16 + .64 and 1 + 1.
    parts = Projected(MSE(), 2, 2).parts(batch)
    assert parts["x"].item() == 0.0
    assert parts["y"].item() == pytest.approx((0.8 + 2.0) / 2, rel=1e-6)


def test_mse_projects_where_dimensions_differ():
    loss = Projected(MSE(), 2, 3)
    with torch.no_grad():
        loss.space.projection.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]))
    batch = Batch(AXES, AXES, LABELS, teacher=torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    # P x = (1, 0, 0) and (0, 2, 0): distances 0 and 4 + 1.
    assert loss(batch).item() == pytest.approx(2 * 5 / 2)


@pytest.mark.parametrize(("student", "teacher"), [(4, 6), (6, 4)])
def test_the_projection_starts_orthogonal_and_draws_from_its_own_seed(student, teacher):
    before = torch.random.get_rng_state()
    weight = Projected(MSE(), student, teacher, seed=1).space.projection.weight
    assert torch.equal(torch.random.get_rng_state(), before)
    gram = weight.T @ weight if student < teacher else weight @ weight.T
    torch.testing.assert_close(gram, torch.eye(min(student, teacher)), atol=1e-6, rtol=0)
    assert torch.equal(weight, Projected(MSE(), student, teacher, seed=1).space.projection.weight)
    assert not torch.equal(weight, Projected(MSE(), student, teacher, seed=2).space.projection.weight)


def test_no_projection_where_dimensions_are_equal():
    assert Projected(MSE(), 4, 4).space.projection is None
    assert list(Projected(MSE(), 4, 4).parameters()) == []


def test_parts_are_named_weighted_and_sum_to_the_loss(batch):
    loss = build_loss(
        [term("similarity_mse", 0.5, tcm=5.0), term("mse", 2.0)], student_dimension=2, teacher_dimension=2
    )
    parts = {name: value.item() for name, value in loss.parts(batch).items()}
    assert parts == pytest.approx(
        {"similarity_mse.cross": 1.7, "similarity_mse.mono": 0.09, "mse.x": 0.0, "mse.y": 2.8}, abs=1e-6
    )
    assert loss(batch).item() == pytest.approx(1.7 + 0.09 + 2.8, rel=1e-6)
