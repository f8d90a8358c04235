import pytest

from pipeline.ground.languages import LanguagePair, canonical_language, match_language, parse_pair, script_of


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("zh", "zh"), ("zh_Hans", "zh"), ("zho_Hans", "zh"), ("cmn", "zh"), ("zho", "zh"), ("zh_Hant", "zh-Hant"),
        ("zho-Hant", "zh-Hant"), ("zh-TW", "zh-TW"), ("yue", "yue"), ("eng", "en"), ("eng_Latn", "en"), ("EN", "en"),
        ("kor_Hang", "ko"), ("jpn_Jpan", "ja"), ("rus_Cyrl", "ru"), ("sr-Latn", "sr-Latn"), ("sr_Cyrl", "sr"),
        ("pt_BR", "pt-BR"), ("arb_Arab", "ar"), ("iw", "he"),
    ],
)  # fmt: skip
def test_spellings_are_unified(code, expected):
    assert canonical_language(code) == expected
    assert canonical_language(canonical_language(code)) == expected


@pytest.mark.parametrize("code", ["", "xx", "qq", "english language", "e", "12", "und-Xxxx"])
def test_what_is_no_language(code):
    with pytest.raises(ValueError, match="is not a language code"):
        canonical_language(code)


def test_matching_a_corpus_own_codes():
    wanted = ("en", "zh", "zh-Hant", "ko")
    assert match_language("en-US", wanted) == "en"
    assert match_language("zho_Hans", wanted) == "zh"
    assert match_language("zh-TW", wanted) == "zh-Hant"
    assert match_language("zh-CN", wanted) == "zh"
    assert match_language("fr", wanted) is None
    assert match_language("README", wanted) is None


def test_pairs_in_any_spelling():
    assert parse_pair("en-zh_Hans", ["en", "zh"]) == LanguagePair("en", "zh")
    assert parse_pair("en-zh-Hant", ["en", "zh-Hant"]) == LanguagePair("en", "zh-Hant")
    with pytest.raises(ValueError, match="'fr-en' must be written en-fr"):
        parse_pair("fr-en", ["en", "fr"])
    with pytest.raises(ValueError, match="not two of the languages en, fr"):
        parse_pair("en-ko", ["en", "fr"])


def test_scripts():
    assert [script_of(code) for code in ("en", "ja", "ko", "ru", "zh", "zh-Hant", "zh-TW", "sr-Latn")] == [
        "Latn", "Jpan", "Kore", "Cyrl", "Hans", "Hant", "Hant", "Latn"
    ]  # fmt: skip
