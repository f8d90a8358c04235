import builtins

import polars as pl
import pytest

from pipeline.console.errors import UserError
from pipeline.text import identify


def test_languages_are_told_apart():
    pytest.importorskip("lingua")
    texts = pl.Series(
        ["This is surely an English sentence.", "Ceci est une phrase en français.", "이것은 한국어 문장입니다."]
    )
    assert (identify.language_probability(texts, "en") > 0.5).to_list() == [True, False, False]
    assert (identify.language_probability(texts, "fr") > 0.5).to_list() == [False, True, False]
    assert identify.language_probability(texts, "yue").to_list() == [1.0, 1.0, 1.0]


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest, **more):
        if name == "lingua":
            raise ImportError(name)
        return real(name, *rest, **more)

    identify._detector.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match=r"pip install 'softalign\[langid\]'"):
        identify.language_probability(pl.Series(["x"]), "en")
    identify._detector.cache_clear()
