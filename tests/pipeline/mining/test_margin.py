import numpy as np
import pytest

from pipeline.mining.margin import margin, neighborhood_means


def test_by_hand():
    cosine, a, b = np.array([0.9, 0.2]), np.array([0.5, 0.1]), np.array([0.7, 0.3])
    assert margin(cosine, a, b, "ratio") == pytest.approx([1.5, 1.0])
    assert margin(cosine, a, b, "distance") == pytest.approx([0.3, 0.0])
    assert margin(cosine, a, b, "cosine") == pytest.approx([0.9, 0.2])


def test_a_ratio_over_nothing_positive_is_undefined():
    zero, negative = np.array([0.0, -0.5]), np.array([0.0, -0.5])
    assert np.all(np.isneginf(margin(np.array([0.1, -0.5]), zero, negative, "ratio")))


def test_means_are_over_the_neighbours_that_exist():
    similarity = np.array([[0.5, 0.25], [0.5, -np.inf], [-np.inf, -np.inf]], np.float32)
    means = neighborhood_means(similarity)
    assert means[:2].tolist() == [0.375, 0.5]
    assert np.isnan(means[2])
