"""PO plurals: a form is chosen by what the header says that it is for, never by its place."""

import pytest
from corpus_reading import ask, read, sides

from pipeline.corpora.plurals import choose_form, read_plural_forms, usual_plural_forms

AR = "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5;"
RU = "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);"
SL = "nplurals=4; plural=(n%100==1 ? 1 : n%100==2 ? 2 : n%100==3 || n%100==4 ? 3 : 0);"
LV = "nplurals=3; plural=(n==0 ? 0 : n%10==1 && n%100!=11 ? 1 : 2);"
CY = "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n==3 ? 3 : n==6 ? 4 : 5);"
FR, EN, JA = "nplurals=2; plural=(n > 1);", "nplurals=2; plural=n != 1;", "nplurals=1; plural=0;"


@pytest.mark.parametrize(
    ("header", "one", "many"),
    [(AR, 1, 4), (RU, 0, 2), (SL, 1, 0), (LV, 1, 2), (CY, 1, 5), (FR, 0, 1), (EN, 0, 1), (JA, 0, 0),
     ("nplurals=3; plural=n==1?2:n==2?0:1;", 2, 1)],
)  # fmt: skip
def test_the_form_for_one_and_for_many(header, one, many):
    plural = read_plural_forms(header)
    forms = {index: f"form {index}" for index in range(plural.count)}
    assert choose_form("a file", True, forms, plural) == (f"form {one}", None)
    assert choose_form("files", False, forms, plural) == (f"form {many}", None)


@pytest.mark.parametrize(
    ("header", "message", "singular", "forms", "problem"),
    [
        (RU, "One file", True, ["%d файл", "%d файла", "%d файлов"], "counts with %d"),
        (RU, "One file", True, ["Один файл", "%d файла", "%d файлов"], None),
        (RU, "%d file", True, ["%d файл", "%d файла", "%d файлов"], None),
        (RU, "Delete the file?", True, ["Удалить %(n)d файл?", "x", "y"], "counts with %\\(n\\)d"),
        (RU, "Delete the file?", True, ["Удалить файл?", "x", "y"], None),
        (JA, "One file", True, ["ファイル"], "names 1, the form is also for 2"),
        (JA, "One file", True, ["1 個のファイル"], None),
        (JA, "A file", True, ["ファイル"], None),
        (JA, "{n} files", False, ["{n} 個のファイル"], None),
        (FR, "One file", True, ["Un fichier", "%d fichiers"], None),
        (AR, "Two files", False, ["0", "1", "ملفان", "3", "4", "5"], None),
        (FR, "Two files", False, ["x", "des fichiers"], "names 2, the form is also for 3"),
        (EN, "Many files at 100% of one", False, ["x", "y", "z"], "3 forms, but nplurals is 2"),
        (AR, "Many files", False, ["x", "y"], "2 forms, but nplurals is 6"),
    ],
)
def test_a_form_that_the_message_contradicts_is_none(header, message, singular, forms, problem):
    _, found = choose_form(message, singular, dict(enumerate(forms)), read_plural_forms(header))
    if problem is None:
        assert found is None
    else:
        import re

        assert re.search(problem, found)


def test_a_number_word_takes_the_form_of_its_number():
    forms = dict(enumerate(["none", "one", "two", "few", "many", "other"]))
    assert choose_form("Two files", False, forms, read_plural_forms(AR)) == ("two", None)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("nplurals=2; plural=__import__('os').system('x')", "invalid token"),
        ("nplurals=2; plural=n.real", "token"),
        ("nplurals=2; plural=" + "(" * 50 + "n" + ")" * 50, "too complex"),
        ("nplurals=2; plural=" + "n+" * 600 + "n", "too long"),
        ("nplurals=2; plural=n%0", "can't be evaluated"),
        ("nplurals=2; plural=n", "gives the form 2, but nplurals is 2"),
        ("nplurals=2", "expected 'nplurals=2; plural="),
        ("nplurals=2; plural=n**n", "token"),
    ],
)
def test_expressions_that_are_none(header, problem):
    with pytest.raises(ValueError, match=problem):
        read_plural_forms(header)


def test_the_usual_forms_of_languages():
    assert usual_plural_forms("ar").form_of(1) == 1
    assert usual_plural_forms("pt-BR").form_of(0) == 0
    assert usual_plural_forms("pt").form_of(0) == 1
    assert usual_plural_forms("en-GB").count == 2
    assert usual_plural_forms("tlh") is None


def catalogue(header, *forms, language="ar"):
    lines = "".join(f'msgstr[{index}] "{form}"\n' for index, form in enumerate(forms))
    plural = f'"Plural-Forms: {header}\\n"\n' if header else ""
    return f'msgid ""\nmsgstr ""\n"Language: {language}\\n"\n{plural}\nmsgid "a file"\nmsgid_plural "files"\n{lines}'


def read_po(tmp_path, text, language="ar"):
    (tmp_path / f"{language}.po").write_text(text, encoding="utf-8")
    request = ask(tmp_path, "{lang}.po", f"en-{language}", languages=("en", language))
    return read("po", request), request.notes.lines()


FORMS = ("none", "one", "two", "few", "many", "other")


def test_a_catalogue_with_its_header(tmp_path):
    rows, notes = read_po(tmp_path, catalogue(AR, *FORMS))
    assert sides(rows) == [("a file", "one"), ("files", "many")]
    assert notes == []


@pytest.mark.parametrize("header", ["", "nplurals=INTEGER; plural=EXPRESSION;", "nplurals=2; plural=n%0;"])
def test_without_a_usable_header_the_languages_own_forms_are_taken_with_a_note(tmp_path, header):
    rows, notes = read_po(tmp_path, catalogue(header, *FORMS))
    assert sides(rows) == [("a file", "one"), ("files", "many")]
    assert any(
        "no usable Plural-Forms: the language's usual ones are taken (the first: ar.po:" in note for note in notes
    )


def test_forms_that_nothing_explains_are_left_out(tmp_path):
    rows, _ = read_po(tmp_path, catalogue("", "x", "y", "z"))
    assert [(row["reason"], row["detail"]) for row in rows] == [
        ("plural-form", "3 forms, and no Plural-Forms says which is for what")
    ] * 2
    rows, _ = read_po(tmp_path, catalogue("", "x", "y", language="tlh"), "tlh")
    assert sides(rows) == [("a file", "x"), ("files", "y")]


def test_a_count_that_differs_from_the_header(tmp_path):
    rows, _ = read_po(tmp_path, catalogue(AR, "x", "y"))
    assert {(row["reason"], row["detail"]) for row in rows} == {("plural-form", "2 forms, but nplurals is 6")}


def test_forms_that_are_empty_are_untranslated(tmp_path):
    rows, _ = read_po(tmp_path, catalogue(AR, "none", "", "two", "few", "many", "other"))
    assert [row["reason"] for row in rows] == ["untranslated", None]
    rows, _ = read_po(tmp_path, catalogue(AR, *[""] * 6))
    assert [row["reason"] for row in rows] == ["untranslated"] * 2
