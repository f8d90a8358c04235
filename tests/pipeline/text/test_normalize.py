import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.normalize import clean_text, normal_form


def clean(text, **more):
    return pl.DataFrame({"t": [text]}).select(clean_text(pl.col("t"), **more)).item()


def normal(text):
    return pl.DataFrame({"t": [text]}).select(normal_form(pl.col("t"))).item()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  a \t b\u00a0\u3000c ", "a b c"),
        ("a\u2028b\u0085c\r\nd", "a b c d"),
        ("e\u0301", "é"),
        ("soft\u00adhyphen \u200eleft \ufeffmark\x07", "softhyphen left mark"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # the non-joiner is spelling
        ("ｆｕｌｌ", "ｆｕｌｌ"),
        ("\u200b", ""),
    ],
)
def test_clean(raw, expected):
    assert clean(raw) == expected


def test_clean_options():
    assert clean("ｆｕｌｌ ﬁ", form="NFKC") == "full fi"
    assert clean("e\u0301", form="none") == "e\u0301"
    assert clean("a\u00adb", control=False) == "a\u00adb"


@given(st.text())
def test_clean_is_idempotent_and_one_line(text):
    once = clean(text)
    assert clean(once) == once
    assert once == once.strip()
    assert len(once.splitlines()) <= 1
    assert unicodedata.is_normalized("NFC", once)


@pytest.mark.parametrize(
    "other", ["hello world", "Hello, World!", "Ｈｅｌｌｏ　Ｗｏｒｌｄ！", "«HELLO»  …world", "hello—world"]
)
def test_the_same_normal_form(other):
    assert normal(other) == normal("Hello world.")


def test_different_normal_forms():
    assert normal("C") != normal("C++")
    assert normal("été") != normal("ete")
    assert normal("?!") == "?!"
