import pytest

from pipeline.ground.languages import (
    SEVERAL_SCRIPTS,
    LanguagePair,
    WantedLanguages,
    canonical_language,
    choose_codes,
    match_language,
    other_languages,
    parse_pair,
    scripts_of,
)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("zh", "zh"), ("zh_Hans", "zh"), ("zho_Hans", "zh"), ("cmn", "zh"), ("zho", "zh"), ("zh_Hant", "zh-Hant"),
        ("zho-Hant", "zh-Hant"), ("zh-TW", "zh-TW"), ("yue", "yue"), ("eng", "en"), ("eng_Latn", "en"), ("EN", "en"),
        ("kor_Hang", "ko"), ("jpn_Jpan", "ja"), ("rus_Cyrl", "ru"), ("sr-Latn", "sr-Latn"), ("sr_Cyrl", "sr-Cyrl"),
        ("pt_BR", "pt-BR"), ("arb_Arab", "ar"), ("iw", "he"), ("in", "id"), ("ji", "yi"), ("sh", "sr-Latn"), ("mo", "ro"),
        # members of macro-languages that are meant by the macro-language's code
        ("pes", "fa"), ("zsm", "ms"), ("ekk", "et"), ("lvs", "lv"), ("swh", "sw"), ("pbt_Arab", "ps"), ("quy", "qu"),
        ("khk_Cyrl", "mn-Cyrl"), ("azj_Latn", "az-Latn"), ("kaz_Cyrl", "kk-Cyrl"), ("nob_Latn", "nb"), ("no", "no"),
        # gettext's spelling
        ("sr@latin", "sr-Latn"), ("sr_RS@latin", "sr-Latn-RS"), ("sr@cyrillic", "sr-Cyrl"), ("tt@iqtelif", "tt-Latn"),
        ("ca@valencia", "ca-valencia"), ("ca_ES@valencia", "ca-ES-valencia"), ("de_DE.UTF-8@euro", "de-DE"),
        ("ca-valencia", "ca-valencia"), ("de-1996", "de-1996"),
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


@pytest.mark.parametrize(
    ("code", "wanted", "expected"),
    [
        # either script, unless the project names one
        ("sr@latin", "en sr", "sr"), ("srp_Cyrl", "sr", "sr"), ("sr_Latn_RS", "sr", "sr"), ("sh", "sr", "sr"),
        ("sr@latin", "sr-Latn", "sr-Latn"), ("sr@latin", "sr-Cyrl", None), ("sr", "sr-Latn", None),
        ("sr", "sr-Cyrl", "sr-Cyrl"),
        ("sr-Latn", "sr sr-Latn", "sr-Latn"), ("uzn_Latn", "uz", "uz"), ("uz", "uz-Latn", "uz-Latn"), ("uz", "uz-Cyrl", None),
        ("pa-PK", "pa", "pa"), ("kk", "kk-Cyrl", "kk-Cyrl"),
        # regions and variants
        ("ca-valencia", "ca", "ca"), ("ca@valencia", "ca-valencia ca", "ca-valencia"), ("ca", "ca-valencia", None),
        ("de-CH-1901", "de", "de"), ("pt-BR", "pt", "pt"), ("pt", "pt-BR", None), ("zh-TW", "zh", None),
        # one language, two codes; and members that are languages of their own
        ("nb", "no", "no"), ("no", "nb", "nb"), ("nob_Latn", "no", "no"), ("nb-NO", "no", "no"), ("no-NO", "nb", "nb"),
        ("nb", "no nb", "nb"), ("nn", "no", None), ("nn", "nb", None), ("azb", "az", None), ("ckb", "ku", None),
        ("yue", "zh", None), ("id", "ms", None),
    ],
)  # fmt: skip
def test_which_codes_meet(code, wanted, expected):
    assert match_language(code, tuple(wanted.split())) == expected


@pytest.mark.parametrize(
    ("code", "wanted", "meant"),
    [
        ("nn", "nb", "nb"), ("sr", "sr-Latn", "sr-Latn"), ("hr", "sr-Latn", "sr-Latn"), ("pt", "pt-BR", "pt-BR"),
        ("zh", "zh-Hant", "zh-Hant"), ("ckb", "ku", "ku"), ("jp", "en ja", "ja"), ("cz", "en cs", "cs"), ("ua", "uk", "uk"),
        ("se", "sv", "sv"), ("arz", "ar", "ar"),
    ],
)  # fmt: skip
def test_what_does_not_meet_is_asked_about(code, wanted, meant):
    asked = WantedLanguages(wanted.split())
    assert match_language(code, asked) is None
    assert (
        other_languages(asked)
        == f"found {code}; did you mean {meant}? then give the corpus 'rename: {{{code}: {meant}}}'"
    )


def test_other_peoples_languages_are_only_named():
    wanted = WantedLanguages(["en", "fr"])
    assert [match_language(code, wanted) for code in ("fi", "README", "en", "fi")] == [None, None, "en", None]
    assert other_languages(wanted) == "found fi"
    assert other_languages(("en", "fr")) == ""


def test_a_corpus_own_names():
    wanted = WantedLanguages(["en", "sr-Latn"], [("sr", "sr-Latn"), ("Pig_Latin", "en"), ("xx", "fr")])
    assert [match_language(code, wanted) for code in ("SR", "pig-latin", "eng", "xx")] == ["sr-Latn", "en", "en", None]
    assert wanted.unmet() == []
    assert WantedLanguages(["en"], [("sr", "en")]).unmet() == ["sr"]


def test_of_several_codes_the_best_is_chosen():
    assert choose_codes(["pt-BR", "pt", "en_GB", "x"], ("en", "pt")) == {"pt": "pt", "en_GB": "en"}
    assert choose_codes(["min_Arab", "min_Latn"], ("min",)) == {"min_Latn": "min"}
    assert choose_codes(["nb", "no"], ("no",)) == {"no": "no"}
    assert choose_codes(["sr", "srp"], WantedLanguages(["sr-Latn"], [("sr", "sr-Latn")])) == {"sr": "sr-Latn"}


def test_scripts():
    assert [scripts_of(code) for code in ("en", "ja", "ko", "ru", "zh", "zh-Hant", "zh-TW", "sr-Latn")] == [
        ("Latn",), ("Jpan",), ("Kore",), ("Cyrl",), ("Hans",), ("Hant",), ("Hant",), ("Latn",)
    ]  # fmt: skip
    assert scripts_of("sr") == ("Cyrl", "Latn")
    assert scripts_of("pa-PK") == ("Guru", "Arab")
    assert scripts_of("azb") == ()
    assert scripts_of("azb-Arab") == ("Arab",)


@pytest.mark.parametrize("language", SEVERAL_SCRIPTS)
def test_languages_of_several_scripts_are_spelled_as_the_table_has_them(language):
    assert canonical_language(language) == language
    assert all(
        canonical_language(f"{language}-{script}") == f"{language}-{script}" for script in SEVERAL_SCRIPTS[language]
    )
