import numpy as np
import pytest
import torch

from pipeline.search.vectors import (
    PickedVectors,
    VectorError,
    check_same_model,
    gathered,
    gathered_rows,
    normalised,
)


class OnlySlices:
    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __len__(self):
        return len(self.array)

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self.array[rows]


X = np.arange(1, 61, dtype=np.float16).reshape(20, 3)


def test_rows_of_a_source_that_only_slices_come_in_the_order_given():
    rows = np.array([19, 0, 7, 6, 7])
    for source in (X, OnlySlices(X), PickedVectors(X, np.arange(20))):
        assert np.array_equal(gathered_rows(source, rows), X[rows])
        assert gathered_rows(source, rows[:0]).shape == (0, 3)


def test_normalised_rows_have_length_one():
    for rows in (normalised(X, 2, 6, "x", torch.device("cpu")), gathered(X, np.arange(2, 6), "x", torch.device("cpu"))):
        assert torch.allclose(rows.norm(dim=1), torch.ones(4), atol=1e-6)
    locked = X.copy()
    locked.flags.writeable = False
    assert normalised(locked, 0, 2, "x", torch.device("cpu")).shape == (2, 3)


def test_float32_that_overflows_is_named():
    with pytest.raises(VectorError, match="row 1: the vector's length overflows"):
        normalised(np.array([[1, 1], [1e30, 1e30]], np.float32), 0, 2, "x", torch.device("cpu"))


def test_different_models_are_refused():
    made = {"model": "m", "revision": "1", "language": "en"}
    check_same_model(made, {**made, "language": "fr"})
    with pytest.raises(VectorError, match="revision is '1' on side a and '2' on side b"):
        check_same_model(made, {**made, "revision": "2"})
    with pytest.raises(VectorError, match="prefix is None on side a"):
        check_same_model(made, {**made, "prefix": "query: "})


def test_picked_rows_are_one_matrix():
    matrix = np.arange(12, dtype=np.float32).reshape(6, 2) + 1
    picked = PickedVectors(matrix, np.array([4, 0, 0, 5]))
    assert (picked.shape, picked.dtype, len(picked)) == ((4, 2), np.float32, 4)
    assert np.array_equal(picked[1:3], matrix[[0, 0]])
    assert np.array_equal(gathered_rows(picked, np.array([3, 0])), matrix[[5, 4]])
