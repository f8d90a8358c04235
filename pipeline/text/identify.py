"""Which language a sentence is in: `lingua`, whose models come in its package (softalign's extra ``langid``)."""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl
from langcodes import Language

from pipeline.console.errors import UserError


@cache
def _detector() -> Any:
    try:
        from lingua import LanguageDetectorBuilder
    except ImportError:
        raise UserError(
            "prepare.clean.min_language needs the package lingua-language-detector: pip install 'softalign[langid]'"
        ) from None
    return LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()


def _lingua_language(language: str) -> Any:
    from lingua import IsoCode639_1
    from lingua import Language as LinguaLanguage

    code = (Language.get(language).language or "").upper()
    if not hasattr(IsoCode639_1, code):
        return None
    return LinguaLanguage.from_iso_code_639_1(getattr(IsoCode639_1, code))


def language_probability(texts: pl.Series, language: str) -> pl.Series:
    """The probability [n] that each text is in the language; 1 for a language that lingua doesn't know.

    Raises:
        UserError: if lingua isn't installed.
    """
    detector = _detector()
    wanted = _lingua_language(language)
    if wanted is None:
        return pl.Series([1.0] * len(texts), dtype=pl.Float64)
    return pl.Series(detector.compute_language_confidence_in_parallel(texts.to_list(), wanted), dtype=pl.Float64)
