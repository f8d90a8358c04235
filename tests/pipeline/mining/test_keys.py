import numpy as np
import pytest

from pipeline.mining.keys import NO_KEY, KeyFormatError, day_numbers, shuffled_keys


def test_days():
    days = day_numbers(np.array(["2024-05-23", "2024-05-25", "", "12", "2024-05-23"]))
    assert days[1] - days[0] == 2
    assert days[0] == days[4]
    assert (days[2], days[3]) == (NO_KEY, 12)


@pytest.mark.parametrize("bad", ["yesterday", "2024-13-01", "23.05.2024"])
def test_what_is_no_day_names_its_row(bad):
    with pytest.raises(KeyFormatError, match=f"row 1: found '{bad}', expected a date") as caught:
        day_numbers(np.array(["2024-05-23", bad, bad]))
    assert (caught.value.row, caught.value.key) == (1, bad)


def test_shuffled_keys_keep_documents_together_and_none_its_own():
    keys = np.array([f"d{n % 7}" for n in range(40)] + [""] * 3)
    moved = shuffled_keys(keys, "", seed=3)
    assert moved is not None
    assert np.all(moved[:40] != keys[:40])
    assert np.all(moved[40:] == "")
    assert len({(a, b) for a, b in zip(keys, moved, strict=True)}) == 8
    assert np.array_equal(moved, shuffled_keys(keys, "", seed=3))
    assert shuffled_keys(keys[:2], "") is None


def test_shuffled_days_end_far_away():
    days = np.arange(90)
    moved = shuffled_keys(days, NO_KEY)
    assert moved is not None
    assert np.abs(moved - days).min() >= 30
