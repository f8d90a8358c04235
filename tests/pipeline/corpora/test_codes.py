"""Other people's language codes meet the project's in every format, by one function; `rename` maps the rest."""

from __future__ import annotations

import json
import logging
import zipfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_reading import ask, read, sides

from pipeline.console.errors import UserError


def moses(root: Path, code: str) -> str:
    (root / f"x.en-{code}.en").write_text("one\n")
    (root / f"x.en-{code}.{code}").write_text("jedan\n")
    return "x.{a}-{b}.{lang}"


def opus_zip(root: Path, code: str) -> str:
    with zipfile.ZipFile(root / f"en-{code}.txt.zip", "w") as archive:
        archive.writestr(f"x.en-{code}.en", "one\n")
        archive.writestr(f"x.en-{code}.{code}", "jedan\n")
    return "{a}-{b}.txt.zip"


def tsv(root: Path, code: str) -> str:
    (root / f"en-{code}.tsv").write_text("one\tjedan\n")
    return "{a}-{b}.tsv"


def jsonl(root: Path, code: str) -> str:
    (root / "x.jsonl").write_text(json.dumps({"translation": {"en": "one", code: "jedan"}}) + "\n")
    return "x.jsonl"


def parquet(root: Path, code: str) -> str:
    pq.write_table(pa.table({"translation": [{"en": "one", code: "jedan"}]}), root / "x.parquet")
    return "x.parquet"


def huggingface(root: Path, code: str) -> str:
    (root / f"en-{code}").mkdir()
    pq.write_table(pa.table({"sentence1": ["one"], "sentence2": ["jedan"]}), root / f"en-{code}" / "train.parquet")
    return "."


def node_docs(root: Path, code: str) -> str:
    (root / "docs" / "page").mkdir(parents=True)
    (root / "docs" / "page" / "en.md").write_text("one\n")
    (root / "docs" / "page" / f"{code}.md").write_text("jedan\n")
    return "docs"


def tmx(root: Path, code: str) -> str:
    variants = "".join(
        f'<tuv xml:lang="{lang}"><seg>{text}</seg></tuv>' for lang, text in (("en", "one"), (code, "jedan"))
    )
    (root / "x.tmx").write_text(f'<tmx version="1.4"><body><tu>{variants}</tu></body></tmx>')
    return "x.tmx"


def xliff(root: Path, code: str) -> str:
    unit = '<trans-unit id="1"><source>one</source><target>jedan</target></trans-unit>'
    languages = f'source-language="en" target-language="{code}"'
    (root / "x.xlf").write_text(
        f'<xliff version="1.2"><file original="f" {languages}><body>{unit}</body></file></xliff>'
    )
    return "x.xlf"


def po(root: Path, code: str) -> str:
    (root / f"{code}.po").write_text(f'msgid ""\nmsgstr "Language: {code}\\n"\n\nmsgid "one"\nmsgstr "jedan"\n')
    return "{lang}.po"


FORMATS = [moses, opus_zip, tsv, jsonl, parquet, huggingface, node_docs, tmx, xliff, po]


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
@pytest.mark.parametrize(
    ("code", "language", "rename"),
    [
        ("sr@latin", "sr", {}), ("sr_Latn", "sr-Latn", {}), ("nb", "no", {}), ("no", "nb", {}), ("ca@valencia", "ca", {}),
        ("pes_Arab", "fa", {}), ("sr", "sr-Latn", {"sr": "sr-Latn"}), ("jp", "ja", {"jp": "ja"}),
    ],
)  # fmt: skip
def test_codes_meet(tmp_path: Path, write, code: str, language: str, rename: dict[str, str]) -> None:
    path = write(tmp_path, code)
    request = ask(tmp_path, path, languages=("en", language), rename=tuple(rename.items()))
    request = replace(request, groups=(("en", language),))
    kind = write.__name__.replace("_", "-")
    assert sides(read(kind, request)) == [("one", "jedan")]


@pytest.mark.parametrize("write", [moses, opus_zip, tsv, parquet, po], ids=lambda write: write.__name__)
def test_what_does_not_meet_is_asked_about(tmp_path: Path, write) -> None:
    request = ask(tmp_path, write(tmp_path, "nn"), "en-nb", languages=("en", "nb"))
    with pytest.raises(UserError, match=r"found nn; did you mean nb\? then give the corpus 'rename: \{nn: nb\}'"):
        read(write.__name__.replace("_", "-"), request)


def test_a_name_that_is_no_code(tmp_path: Path) -> None:
    (tmp_path / "x.english").write_text("one\n")
    (tmp_path / "x.fr").write_text("un\n")
    request = ask(tmp_path, "x.{lang}", "en-fr", rename=(("english", "en"),))
    assert sides(read("moses", request)) == [("one", "un")]


def test_two_files_for_one_language(tmp_path: Path, caplog) -> None:
    for name, text in (("en", "one"), ("pt", "um"), ("pt_BR", "hum")):
        (tmp_path / f"x.{name}").write_text(f"{text}\n")
    with caplog.at_level(logging.WARNING):
        assert sides(read("moses", ask(tmp_path, "x.{lang}", "en-pt"))) == [("one", "um")]
    assert caplog.messages == ["corpus c: x.pt_BR is not read: x.pt says pt better"]


@pytest.mark.parametrize("code", ["the-one", "en-fr_FR", "en_US-fr", "eng_Latn-fra_Latn"])
def test_which_folders_of_a_dataset_name_a_pair(tmp_path: Path, code: str) -> None:
    """Of three letters nearly every word is a code: only what is surely one says that a file is of other languages."""
    (tmp_path / code).mkdir()
    pq.write_table(pa.table({"en": ["one"], "fr": ["un"]}), tmp_path / code / "train.parquet")
    assert sides(read("huggingface", ask(tmp_path, ".", "en-fr"))) == [("one", "un")]
