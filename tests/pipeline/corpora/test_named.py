"""What names say of languages, against what they are given for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.params import check_params
from pipeline.console.errors import UserError
from pipeline.corpora.named import said_language
from pipeline.corpora.registry import corpus_request, reader_of, text_request
from pipeline.ground.languages import WantedLanguages
from pipeline.prepare.reading import plan


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mine.fr", ("fr", True)), ("news.fr.txt.gz", ("fr", True)), ("B.en-fr.en", ("en", True)),
        ("x.fra_Latn.tsv", ("fr", True)), ("x.en.fr", ("fr", True)), ("fr/news.txt", ("fr", False)),
        ("en/x.fr", ("fr", True)), ("news_fr.txt", ("fr", False)),
        ("fr-news", ("fr", False)), ("en-fr.txt", (None, False)), ("train.txt", (None, False)), ("x.de", (None, False)),
    ],
)  # fmt: skip
def test_what_a_name_says(name, said):
    assert said_language(name, WantedLanguages(["en", "fr"])) == said


def params(corpus: dict, text: list | None = None, languages: tuple[str, ...] = ("en", "fr")):
    section = {"corpora": [{"name": "c", "format": "moses", **corpus}], "text": text or []}
    pair = f"{languages[0]}-{languages[1]}"
    return check_params({"languages": list(languages), "pairs": [pair], "prepare": section, "teacher": {"model": "x"}})


def planned(root: Path, corpus: dict, **more) -> None:
    config = params(corpus, **more)
    works = [(reader_of(of), corpus_request(of, config.language_pairs, root), None) for of in config.prepare.corpora]
    plan(works + [(reader_of(of), text_request(of, root, config.languages), None) for of in config.prepare.text])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("x.en", "x.fr", "a_en.txt", "a_fr.txt", "en/t", "fr/t", "one", "two"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a\tb\n")
    (tmp_path / "link.en").symlink_to(tmp_path / "x.fr")
    return tmp_path


@pytest.mark.parametrize(
    ("en", "fr"),
    [("x.fr", "x.en"), ("x.fr", "one"), ("one", "x.en"), ("a_fr.txt", "a_en.txt"), ("fr/t", "en/t")],
)
def test_swapped_files(folder, en, fr):
    with pytest.raises(
        UserError, match=r"corpus c: files: .* is given for (en|fr), but its name says (fr|en); swap them"
    ):
        planned(folder, {"files": {"en": en, "fr": fr}})


@pytest.mark.parametrize(
    ("en", "fr"),
    [("x.en", "x.fr"), ("one", "two"), ("a_en.txt", "one"), ("a_fr.txt", "one"), ("fr/t", "one"), ("en/t", "fr/t")],
)
def test_names_that_say_nothing_else(folder, en, fr):
    planned(folder, {"files": {"en": en, "fr": fr}})


def test_the_corpus_own_names_count(folder):
    planned(folder, {"files": {"en": "x.fr", "fr": "x.en"}, "rename": {"fr": "en", "en": "fr"}})


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"en": "fr", "fr": "en"}, "fr is given for en, but its name says fr"),
        ({"en": "text.fr", "fr": "text.en"}, "text.fr is given for en"),
        ({"en": "fr_text", "fr": "en_text"}, "fr_text is given for en"),
        ({"en": 0, "fr": 0}, "columns: en and fr are both 0"),
        ({"en": "text", "fr": "text"}, "columns: en and fr are both text"),
    ],
)
def test_swapped_and_equal_columns(folder, columns, problem):
    with pytest.raises(UserError, match=problem):
        planned(folder, {"format": "tsv", "path": "one", "columns": columns})


@pytest.mark.parametrize(("en", "fr"), [("one", "one"), ("x.fr", "link.en"), ("one", "./one")])
def test_one_file_for_both_sides(folder, en, fr):
    with pytest.raises(UserError, match=r"corpus c: en and fr are both|its name says fr"):
        planned(folder, {"files": {"en": en, "fr": fr}})


def test_text_to_be_mined(folder):
    corpus = {"files": {"en": "one", "fr": "two"}}
    planned(folder, corpus, text=[{"name": "t", "language": "en", "path": "x.en"}])
    with pytest.raises(UserError, match=r"text t: x\.fr is given for en, but its name says fr; correct its"):
        planned(folder, corpus, text=[{"name": "t", "language": "en", "path": "x.fr"}])
    planned(folder, corpus, text=[{"name": "t", "language": "en", "path": "x.fr", "rename": {"fr": "en"}}])


def test_a_rename_to_no_language_of_the_project(folder):
    with pytest.raises(UserError, match=r"corpus c: rename: found sr-Latn, expected a language of the pairs \(en-fr\)"):
        planned(folder, {"files": {"en": "one", "fr": "two"}, "rename": {"sr": "sr-Latn"}})
