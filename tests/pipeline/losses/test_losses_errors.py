"""What is refused, and how it is said."""

import pytest
import torch
from loss_batches import make_batch, unit

from pipeline.console.errors import ParamsError
from pipeline.losses import Batch, Columns, Term, build_loss


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([], "found no term, expected at least one of soft, hard, kl, similarity_mse, mse"),
        ([Term("sotf")], "found 'sotf', expected one of soft, hard, kl, similarity_mse, mse"),
        ([Term("soft"), Term("soft")], "soft stands there twice"),
        ([Term("soft", 0.0)], "soft: found weight 0.0, expected one above 0"),
        ([Term("soft", float("nan"))], "soft: found weight nan, expected one above 0"),
        ([Term("hard", options={"tau": 1.0})], "hard: found option 'tau', expected one of: temperature, margin"),
        ([Term("mse", options={"tcm": 1.0})], "mse: found option 'tcm', expected one of: none"),
        (
            [Term("soft", options={"teacher_temperature": 0.0})],
            "found teacher_temperature 0.0, expected one above 0",
        ),
    ],
)
def test_terms_that_cannot_be_built(terms, message):
    with pytest.raises(ParamsError) as caught:
        build_loss(terms, student_dimension=2, teacher_dimension=2)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def rows(count, dimension=5):
    return unit(count, dimension, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": rows(5)}, r"x is \[6, 5\] and y is \[5, 5\]"),
        ({"x": rows(0), "y": rows(0)}, r"with n > 0"),
        ({"labels": rows(5)}, r"labels are \[5, 5\], expected \[6, e\]"),
        ({"teacher": rows(5)}, r"teacher is \[5, 5\], expected \[6, t\]"),
        ({"points": torch.zeros(6)}, r"points are torch.float32\[6\], expected torch.int64\[6\]"),
        ({"offset": 1}, "offset is 1 without columns"),
        ({"columns": Columns(rows(8), rows(8), rows(8)), "offset": 3}, "6 rows from 3 on are not all among 8 columns"),
        ({"columns": Columns(rows(8, 4), rows(8, 4), rows(8))}, "columns and rows differ"),
    ],
)
def test_batches_whose_shapes_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        Batch(**({"x": rows(6), "y": rows(6), "labels": rows(6)} | arguments))


def test_masking_needs_points():
    loss = build_loss([Term("hard", options={"mask_duplicates": True})], student_dimension=5, teacher_dimension=3)
    with pytest.raises(ValueError, match="needs the batch's points"):
        loss(make_batch())


def test_mse_needs_the_teachers_vectors():
    with pytest.raises(ValueError, match="holds no teacher vectors"):
        build_loss([Term("mse")], student_dimension=5, teacher_dimension=5)(Batch(rows(6), rows(6), rows(6)))
