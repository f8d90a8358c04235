"""Two forms of a sentence: the clean one, which is kept, and the normal one, by which sentences are compared."""

from __future__ import annotations

from typing import Literal

import polars as pl

# Zero-width joiner and non-joiner stay: Persian, Indic scripts and emoji need them.
CONTROL = r"[[\p{Cc}\p{Cf}]--[\s\u{200C}\u{200D}]]"
IGNORED = r"[\p{P}\p{Z}\p{C}\s]"

DIGITS = r"\p{Nd}+"

UnicodeForm = Literal["NFC", "NFKC", "none"]


def clean_text(text: pl.Expr, form: UnicodeForm = "NFC", control: bool = True) -> pl.Expr:
    """The text as it is kept: in one Unicode form, without control and format characters, white space single and trimmed.

    Line separators of all kinds are white space.

    Args:
        text: a string expression.
        form: the Unicode normalisation form.
        control: remove control (Cc) and format (Cf) characters.
    """
    if form != "none":
        text = text.str.normalize(form)
    if control:
        text = text.str.replace_all(CONTROL, "")
    return text.str.replace_all(r"\s+", " ").str.strip_chars(" ")


def normal_form(text: pl.Expr) -> pl.Expr:
    """The text by which sentences count as the same: NFKC (full-width forms are gone), lower case, no punctuation, no spaces.

    Symbols stay (``C`` is not ``C++``). A sentence of nothing but punctuation is compared as it is.
    """
    bare = text.str.normalize("NFKC").str.to_lowercase().str.replace_all(IGNORED, "")
    return pl.when(bare.str.len_bytes() > 0).then(bare).otherwise(text)


def digits_masked(form: pl.Expr) -> pl.Expr:
    """A normal form with one digit for each number: the same for texts that differ in numbers only; null without any.

    >>> forms = pl.Series("text", ["page10of12", "page9of9", "page"])
    >>> forms.to_frame().select(digits_masked(pl.col("text")))["text"].to_list()
    ['page0of0', 'page0of0', None]
    """
    return pl.when(form.str.contains(DIGITS)).then(form.str.replace_all(DIGITS, "0"))
