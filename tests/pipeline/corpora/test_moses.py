import random

import numpy as np
import pytest
from corpus_reading import ask, read, reasons, sides

from pipeline.console.errors import InputError, UserError
from pipeline.corpora.drift import drift_line


def write(folder, **files):
    for name, lines in files.items():
        stem, _, language = name.rpartition("_")
        (folder / f"{stem}.{language}").write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def test_aligned_files_of_all_wanted_pairs(tmp_path):
    write(tmp_path, x_en=["one", "two"], x_fr=["un", "deux"], x_ko=["하나", "둘"])
    rows = read("moses", ask(tmp_path, "x.{lang}", "en-fr", "fr-ko"))
    assert [(row["file_b"], row["line_b"]) for row in rows] == [("x.fr", 1), ("x.fr", 2), ("x.ko", 1), ("x.ko", 2)]
    assert [(row["pair"], row["a"], row["b"], row["file"], row["line"]) for row in rows] == [
        ("en-fr", "one", "un", "x.en", 1), ("en-fr", "two", "deux", "x.en", 2),
        ("fr-ko", "un", "하나", "x.fr", 1), ("fr-ko", "deux", "둘", "x.fr", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("folder", ["en-fr", "fr-en", "eng_Latn-fra_Latn"])
def test_either_order_and_any_spelling_of_the_pair(tmp_path, folder):
    (tmp_path / folder).mkdir()
    a, b = folder.split("-")
    (tmp_path / folder / f"x.{a}").write_text("one\n" if a.startswith("en") else "un\n")
    (tmp_path / folder / f"x.{b}").write_text("one\n" if b.startswith("en") else "un\n")
    assert sides(read("moses", ask(tmp_path, "{a}-{b}/x.{lang}", "en-fr"))) == [("one", "un")]


def test_a_bad_line_on_one_side_spoils_its_pair_only(tmp_path):
    (tmp_path / "x.en").write_bytes(b"one\ntwo\nthree\n")
    (tmp_path / "x.fr").write_bytes(b"un\nd\xe9ux\ntrois\n")
    rows = read("moses", ask(tmp_path, "x.{lang}", "en-fr"))
    assert sides(rows) == [("one", "un"), ("three", "trois")]
    assert reasons(rows) == [(2, "encoding")]


def test_different_line_counts_and_where_they_drift(tmp_path):
    generator = random.Random(7)  # noqa: S311 - no secret
    lengths = [generator.randint(5, 120) for _ in range(400)]
    english = ["e" * length for length in lengths]
    french = ["f" * (length + generator.randint(0, 4)) for length in lengths]
    french.insert(250, "f" * 60)  # from line 251 on, French is one line late
    write(tmp_path, x_en=english, x_fr=french)
    with pytest.raises(InputError) as error:
        read("moses", ask(tmp_path, "x.{lang}", "en-fr"))
    message = str(error.value)
    assert message.startswith(
        "x.en: has 400 lines, but x.fr has 401; expected as many; they seem to drift from line 25"
    )


def test_a_drift_that_cannot_be_told():
    same = np.ones(50, dtype=np.float32)
    assert drift_line(same, same[:-1]) is None
    assert drift_line(same[:4], same[:3]) is None


def test_an_empty_side(tmp_path):
    write(tmp_path, x_en=["one"], x_fr=[])
    with pytest.raises(InputError, match=r"x.en: has 1 lines, but x.fr has 0"):
        read("moses", ask(tmp_path, "x.{lang}", "en-fr"))


def test_both_sides_empty_give_nothing(tmp_path):
    write(tmp_path, x_en=[], x_fr=[])
    assert read("moses", ask(tmp_path, "x.{lang}", "en-fr")) == []


def test_what_is_missing_is_named(tmp_path):
    write(tmp_path, x_en=["one"])
    with pytest.raises(UserError, match=r"corpus c: x\.\{lang\}: nothing found for en-fr"):
        read("moses", ask(tmp_path, "x.{lang}", "en-fr"))
    with pytest.raises(UserError, match=r"holds no {lang}"):
        read("moses", ask(tmp_path, "x.en", "en-fr"))
    with pytest.raises(UserError, match="no file matches"):
        read("moses", ask(tmp_path, "y.{lang}", "en-fr"))
    with pytest.raises(UserError, match=r"\{language\} stands for nothing"):
        read("moses", ask(tmp_path, "{language}/x.{lang}", "en-fr"))
    write(tmp_path, x_fr=["un"])
    with pytest.raises(UserError, match=r"nothing found for the language ko, which it lists"):
        read("moses", ask(tmp_path, "x.{lang}", "en-fr", "en-ko", languages=("en", "fr", "ko")))
