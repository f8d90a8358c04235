"""Numbers as users write and read them."""

from __future__ import annotations

import pytest

from pipeline.console.errors import UserError
from pipeline.planning.devices import DEVICES, find_device
from pipeline.planning.quantities import bytes_text, count_text, duration_text, parse_count


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("250000", 250_000),
        ("100M", 10**8),
        ("1.5b", 15 * 10**8),
        ("20_000", 20_000),
        ("3,000,000", 3 * 10**6),
    ],
)
def test_counts_are_read(text: str, value: int):
    assert parse_count(text, "--pairs") == value


@pytest.mark.parametrize("text", ["", "M", "-5", "1e9", "ten", "1.5", "1,00", "1 000", "100MB", "nan", "1.0000001k"])
def test_other_text_is_refused_in_one_line(text: str):
    with pytest.raises(UserError, match=r"^--mine: found '.*'; expected a number such as 250000, 100M or 1.5B$"):
        parse_count(text, "--mine")


def test_quantities_are_shown_with_three_digits():
    assert [count_text(value) for value in (0, 7, 1_000, 12_345, 69_000_000_000)] == ["0", "7", "1k", "12.3k", "69B"]
    assert [bytes_text(value) for value in (0, 1_000, 1.5e9, 2.52e14)] == ["0 B", "1 kB", "1.5 GB", "252 TB"]
    assert [duration_text(value) for value in (3, 59, 600, 86_400, 31_557_600 * 12)] == [
        "3.0 s",
        "59 s",
        "10.0 min",
        "24.0 h",
        "12.0 years",
    ]


def test_devices():
    assert find_device("this") is None
    assert find_device("H200") is DEVICES["h200"]
    with pytest.raises(UserError, match="--device: found 'h300'; expected this, t4"):
        find_device("h300")
