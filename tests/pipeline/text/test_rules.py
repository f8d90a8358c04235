import polars as pl
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.prepare import Clean
from pipeline.text.normalize import normal_form
from pipeline.text.rules import broken_side, first_broken, rules
from pipeline.text.scripts import script_class

TEXT = st.text("ab é1 -жя日", max_size=12).filter(str.strip)  # empty text has a rule of its own
EN, FR, JA, KO = "a good sentence", "une bonne phrase", "良い文章です", "좋은 문장입니다"


def reason(a, b, languages=("en", "fr"), **settings):
    frame = pl.DataFrame({"a": [a], "b": [b]}, schema={"a": pl.String, "b": pl.String})
    frame = frame.with_columns(normal_form(pl.col(side)).alias(f"n{side}") for side in "ab")
    return frame.select(first_broken(rules(Clean(**settings), languages))).item()


@pytest.mark.parametrize(
    ("a", "b", "languages", "expected"),
    [
        (EN, FR, ("en", "fr"), None),
        (EN, JA, ("en", "ja"), None),
        (EN, KO, ("en", "ko"), None),
        ("", FR, ("en", "fr"), "empty"),
        (EN, "a", ("en", "fr"), "too-short"),
        (EN, "a b " * 600, ("en", "fr"), "too-long"),
        (EN, "A good, sentence!", ("en", "fr"), "copy"),
        ("hi", "une phrase bien plus longue", ("en", "fr"), "length-ratio"),
        ("see http://a.b", "voir la page", ("en", "fr"), "urls"),
        ("see http://a.b", "voir www.c.d", ("en", "fr"), None),
        ("12 of 15 pages", "12 des 16 livres de 1999", ("en", "fr"), "numbers"),
        ("1,000,000 and 2.500 of them", "1 000 000 et 2500 parmi eux", ("en", "fr"), None),
        ("in the year 1999", "１９９９年のことです", ("en", "ja"), None),
        ("two dogs are here", "2 chiens sont là", ("en", "fr"), None),
        ("| 0.5 | -- | 1 |", "| 0,5 | ~~ | 1 | x", ("en", "fr"), "letters"),
        (EN, "still an English one", ("en", "ja"), "script"),
        ("это предложение", FR, ("en", "fr"), "script"),
        ("Use the ComfyUI node", "ComfyUI ノードを使う", ("en", "ja"), None),
    ],
)  # fmt: skip
def test_each_rule(a, b, languages, expected):
    assert reason(a, b, languages) == expected


@pytest.mark.parametrize(
    ("a", "b", "off"),
    [
        (EN, "A good, sentence!", {"copies": False}),
        ("hi", "une phrase bien plus longue", {"max_length_ratio": 0}),
        ("see http://a.b", "voir la page", {"urls": False}),
        ("12 of 15", "13 de 14 ans", {"min_number_overlap": 0.0, "min_letters": 0.0}),
        ("это предложение", FR, {"min_script": 0.0}),
    ],
)
def test_each_rule_can_be_switched_off(a, b, off):
    assert reason(a, b, **off) is None


def test_a_ratio_of_its_own_for_a_pair():
    assert reason("abcdef", "abcdefghijklmnopq", length_ratios={"en-fr": 2.0}) == "length-ratio"
    assert reason("abcdef", "abcdefghijklmnopq", length_ratios={"en-ja": 2.0}) is None


def test_one_sided_text():
    frame = pl.DataFrame({"a": ["good text", "12345 67", "русский"]})
    assert frame.select(first_broken(rules(Clean(), ("en",)))).to_series().to_list() == [None, "letters", "script"]


@pytest.mark.parametrize("language", ["en", "ja", "ko", "ru", "zh", "ar", "hi", "el", "th", "ka"])
def test_scripts_are_known(language):
    assert script_class(language) is not None


def test_japanese_and_korean_letters():
    frame = pl.DataFrame({"t": ["サーバーの名前々", "한국어漢字"]})
    assert frame.select(pl.col("t").str.count_matches(script_class("ja"))).to_series().to_list() == [8, 2]
    assert frame.select(pl.col("t").str.count_matches(script_class("ko"))).to_series().to_list() == [3, 5]


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=20))
def test_letter_rules_are_what_their_definitions_say(pairs):
    def shares(text, script):
        solid = [char for char in text if char != " "]
        letters = [char for char in solid if regex.match(r"\p{Alphabetic}", char)]
        own = [char for char in solid if regex.match(script, char)]
        return len(letters) / max(len(solid), 1), len(own) / len(letters) if letters else 1.0

    clean = Clean(min_letters=0.4, min_script=0.5, copies=False, max_length_ratio=0, urls=False, min_number_overlap=0.0)
    frame = pl.DataFrame(pairs, schema={"a": pl.String, "b": pl.String}, orient="row")
    found = dict(rules(clean, ("en", "ru")))
    naive = [(shares(a, r"\p{Script=Latin}"), shares(b, r"\p{Script=Cyrillic}")) for a, b in pairs]
    letters = [a[0] < 0.4 or b[0] < 0.4 for a, b in naive]
    script = [a[1] < 0.5 or b[1] < 0.5 for a, b in naive]
    assert frame.select(found["letters"]).to_series().to_list() == letters
    assert frame.select(found["script"]).to_series().to_list() == script


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("sr", "Lampa je na stolu", None), ("sr", "Лампа је на столу", None), ("sr-Latn", "Лампа је на столу", "script"),
        ("sr-Cyrl", "Lampa je na stolu", "script"), ("sr", "灯在桌子上的", "script"), ("uz", "Чироқ стол устида", None),
        ("pa", "ਦੀਵਾ ਮੇਜ਼ ਤੇ ਹੈ", None), ("pa", "دیوا میز تے اے", None), ("az", "چیراغ میزین اوستونده", None),
        ("ks", "चराग मेज़ पेठ", None),
        ("mn", "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ", None), ("uz-Latn", "Чироқ стол устида", "script"),
        # no data names azb's script, so nothing is said of it
        ("azb", "چیراغ میزین اوستونده", None), ("azb", "Chiraq mizin ustunda", None),
        ("azb-Arab", "Chiraq mizin ustunda", "script"),
    ],
)  # fmt: skip
def test_languages_of_several_scripts(language, text, expected):
    assert reason("The lamp is on the table", text, ("en", language)) == expected


@pytest.mark.parametrize("text", ["__NULL__", "[NULL]", "NULL", r"\N", "N/A"])
def test_placeholders_stand_for_a_side_that_is_not_there(text):
    assert reason(EN, text) == "missing-side"
    assert reason(text, text) == "missing-side"
    assert reason(EN, f"{text} {FR}") is None
    assert reason("Not applicable", text, placeholders=[], max_length_ratio=0, min_letters=0.0) is None
    assert reason(EN, "[missing]", placeholders=["[missing]"]) == "missing-side"


@pytest.mark.parametrize(
    ("a", "b", "side"),
    [
        (EN, "", "b"), ("", FR, "a"), ("", "", "a"), (EN, "a", "b"), ("a", FR, "a"), (EN, "a b " * 600, "b"),
        (EN, "NULL", "b"),
        ("?! * ( ) - + # 1", FR, "a"), (EN, "?! * ( ) - + # 1", "b"), (EN, "это предложение", "b"),
        ("это предложение", FR, "a"),
        (EN, "A good, sentence!", None), ("12 of 15 pages", "13 des 16 livres de", None), (EN, FR, None),
    ],
)  # fmt: skip
def test_which_side_broke_a_rule(a, b, side):
    frame = pl.DataFrame({"a": [a], "b": [b]})
    frame = frame.with_columns(normal_form(pl.col(name)).alias(f"n{name}") for name in "ab")
    frame = frame.with_columns(reason=first_broken(rules(Clean(), ("en", "fr"))))
    assert frame.select(broken_side(Clean(), ("en", "fr"))).item() == side
