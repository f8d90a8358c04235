"""Anchors: own points first, each other point once, a pure function of the step."""

import numpy as np
import pytest

from pipeline.config.train import Train
from pipeline.losses.terms.corpus import CorpusLoss
from pipeline.losses.terms.hard import Hard
from pipeline.training.anchors import AnchorPlan
from pipeline.training.data import StoredNeighborhoods


def ring(points: int, k: int) -> StoredNeighborhoods:
    """Each point's neighbours are the k that follow it; the last place is empty."""
    point = (np.arange(points)[:, None] + np.arange(1, k + 1)) % points
    weight = np.full((points, k), 0.1, np.float32)
    point[:, -1], weight[:, -1] = -1, 0
    return StoredNeighborhoods(point, weight)


def test_own_points_come_first_and_others_once() -> None:
    own = np.array([7, 3, 7])
    anchors = AnchorPlan(random=500, neighbors=2, seed=1).draw(4, own, 50, ring(50, 4))
    assert anchors[:3].tolist() == [7, 3, 7]
    others = anchors[3:]
    assert len(np.unique(others)) == len(others)
    assert not np.isin(others, own).any()
    assert (np.diff(others) > 0).all()
    assert set(others) == set(range(50)) - {3, 7}  # 500 draws of 50 points miss none


def test_neighbours_are_neighbours_and_empty_places_are_left_out() -> None:
    own = np.array([10, 20])
    anchors = AnchorPlan(random=0, neighbors=3, seed=0).draw(0, own, 100, ring(100, 4))
    assert set(anchors[2:]) <= {11, 12, 13, 21, 22, 23}
    assert len(anchors) > 2


def test_a_step_always_has_the_same_anchors_and_another_step_others() -> None:
    plan, own = AnchorPlan(random=20, neighbors=1, seed=3), np.arange(5)
    first = plan.draw(9, own, 1000, ring(1000, 4))
    assert np.array_equal(first, plan.draw(9, own, 1000, ring(1000, 4)))
    assert not np.array_equal(first, plan.draw(10, own, 1000, ring(1000, 4)))


def test_only_the_corpus_loss_asks_for_anchors() -> None:
    assert AnchorPlan.of(Train(), 0) is None
    terms = [Hard(), CorpusLoss(anchors=8, neighbors=2)]
    assert AnchorPlan.of(Train(loss=terms), 5) == AnchorPlan(8, 2, 5)


def test_coverage_counts_neighbours_among_the_anchors() -> None:
    neighbors = ring(10, 4)  # three neighbours of weight 0.1 each
    assert neighbors.coverage(np.array([0, 5])) == pytest.approx((0.0, 0.6))
    inside, total = neighbors.coverage(np.array([0, 5]), np.array([0, 5, 1, 2, 6]))
    assert (inside, total) == pytest.approx((0.3, 0.6))


def test_every_stored_neighbour_can_be_drawn_not_only_the_nearest() -> None:
    own, plan = np.array([10, 20]), AnchorPlan(random=0, neighbors=1, seed=0)
    drawn = {int(point) for step in range(60) for point in plan.draw(step, own, 100, ring(100, 4))[2:]}
    assert drawn == {11, 12, 13, 21, 22, 23}
