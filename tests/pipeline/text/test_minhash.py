import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text import minhash


def jaccard(first, second):
    def grams(text):
        text = text.ljust(minhash.GRAM, "\0")
        return {text[i : i + minhash.GRAM] for i in range(len(text) - minhash.GRAM + 1)}

    return len(grams(first) & grams(second)) / len(grams(first) | grams(second))


TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "the quick brown fox jumped over the lazy dog",
    "a quick brown fox jumps over a lazy dog",
    "something else entirely stands here",
    "abc",
    "",
    "日本語のとても長い文章です",
]


def test_estimates_are_near_the_true_similarity():
    values = minhash.signatures(pl.Series(TEXTS), 512)
    for i, first in enumerate(TEXTS):
        for j, second in enumerate(TEXTS):
            found = minhash.similarity(values[i : i + 1], values[j : j + 1])[0]
            assert abs(found - jaccard(first, second)) < 0.1  # four standard errors are 0.09


@settings(max_examples=30)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=8), st.integers(1, 40))
def test_a_text_has_the_same_signature_in_any_company(texts, size):
    old, minhash.SLICE = minhash.SLICE, size
    try:
        together = minhash.signatures(pl.Series(texts, dtype=pl.String), 16)
    finally:
        minhash.SLICE = old
    alone = np.concatenate([minhash.signatures(pl.Series([text]), 16) for text in texts])
    assert (together == alone).all()


def test_bands_catch_pairs_at_the_threshold():
    for threshold in (0.5, 0.7, 0.8, 0.9):
        rows = minhash.band_rows(threshold, 64)
        assert 1 - (1 - threshold**rows) ** (64 // rows) >= minhash.CAUGHT
    assert minhash.band_rows(0.8, 64) == 6  # (1 - 0.8^6)^10 = 0.048, (1 - 0.8^7)^9 = 0.12


def test_equal_texts_share_all_bands_and_places_differ():
    values = minhash.signatures(pl.Series([TEXTS[0], TEXTS[0], TEXTS[3]]), 64)
    hashes = minhash.band_hashes(values, 8)
    assert hashes.shape == (3, 8)
    assert (hashes[0] == hashes[1]).all()
    assert not (hashes[0] == hashes[2]).any()
    assert len(np.unique(hashes[0])) == 8


def test_bands_of_the_same_minima_at_different_places_never_meet():
    hashes = minhash.band_hashes(np.full((1, 64), 7, dtype=np.uint32), 8)
    assert len(np.unique(hashes)) == 8
