import numpy as np
import pytest

from pipeline.console.errors import UserError
from pipeline.exporting.agreement import Agreement, compare, require

UNIT = np.eye(3, dtype=np.float32)


def test_by_hand():
    exported = np.float32([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1]])
    found = compare(UNIT, exported)
    assert found.sentences == 3
    assert found.lowest == pytest.approx(0.8)
    assert found.mean == pytest.approx(2.8 / 3)


def test_equal_vectors_agree_wholly_and_zeros_do_not_count():
    vectors = np.vstack([UNIT, np.zeros((1, 3), dtype=np.float32)])
    assert compare(vectors, vectors) == Agreement(3, 1.0, 1.0, 1.0)


def test_a_vector_from_nothing_is_a_disagreement():
    assert compare(np.zeros((1, 3), dtype=np.float32), UNIT[:1]).lowest == 0


def test_the_lowest_cosine_is_never_rounded_up():
    assert Agreement(1, 0.969999, 1.0, 1.0).as_dict()["lowest_cosine"] == 0.96999


def test_refusal_names_what_was_found_and_what_to_do():
    require(Agreement(9, 0.97, 1, 1), 0.97, "onnx/model_int8.onnx", "--min-cosine")
    with pytest.raises(
        UserError, match=r"model_int8.onnx: the lowest cosine .* 0.90000 over 9 sentences.*--min-cosine"
    ):
        require(Agreement(9, 0.9, 1, 1), 0.97, "onnx/model_int8.onnx", "--min-cosine")


@pytest.mark.parametrize(
    ("original", "exported", "said"),
    [(UNIT, UNIT * np.nan, "not finite"), (UNIT * 0, UNIT * 0, "of no sentence")],
)
def test_nothing_to_compare(original, exported, said):
    with pytest.raises(UserError, match=said):
        compare(original, exported)


def test_the_nearest_is_another_sentence_never_the_same():
    """At these angles the first two are each other's nearest in the original; in the export the last two are."""
    first, second = (np.radians([0, 10, 50]), np.radians([0, 45, 50]))
    original, exported = (
        np.stack([np.cos(angle), np.sin(angle)], axis=1, dtype=np.float32) for angle in (first, second)
    )
    assert compare(original, exported).nearest == pytest.approx(2 / 3)  # of the middle one it is another
