"""Text that is shown must not steer what shows it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.console.plain_text import STEERING, clip, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("right\u202eto left", "right\\u202eto left"),
        ("line\u2028end\r\n\t", "line\\u2028end\\r\\n\\t"),
        ("Ελληνικά 日本語 한국어", "Ελληνικά 日本語 한국어"),
        ("क्‍ष", "क्‍ष"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_steers_is_escaped_and_words_stay(text: str, shown: str):
    assert visible(text) == shown


@given(st.text())
def test_nothing_that_steers_is_left_but_joiners(text: str):
    left = {char for char in visible(text) if unicodedata.category(char) in STEERING}
    assert left <= {"\u200c", "\u200d"}
    assert visible(visible(text)) == visible(text)


@given(st.text(), st.integers(min_value=1, max_value=20))
def test_clip_keeps_the_limit_and_short_text(text: str, limit: int):
    clipped = clip(text, limit)
    assert len(clipped) <= limit
    assert clipped == text or (clipped.endswith("…") and text.startswith(clipped[:-1]))
