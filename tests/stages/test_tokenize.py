"""What the student's tokenizer is trained on: the training text, and nothing that is mined or held out."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

from small import sentence
from tiny_project import translation, write_project

from pipeline.artifacts.shards import open_folder
from stages import prepare, tokenize
from stages.running.command import Project

PAIRS = 150
MARKS = [
    letter
    for letter in map(chr, range(0x100, 0x2B0))
    if unicodedata.category(letter) == "Ll" and unicodedata.normalize("NFKC", letter).lower() == letter
]
"""Latin letters that the tokenizer's normalisation leaves as they are: one for each pair, then one for each line to mine."""


def marks_in(folder: Path) -> set[str]:
    texts = [text for shard in open_folder(folder) for text in shard.table.column("text").to_pylist()]
    return set("".join(texts)) & set(MARKS)


def test_the_tokenizer_never_saw_text_to_mine_nor_held_out_documents(tmp_path: Path, tiny_teacher: Path):
    own = [{"name": f"own-{language}", "language": language, "path": f"own.{language}"} for language in ("en", "fr")]
    root = write_project(tmp_path, tiny_teacher, prepare={"text": own}, student={"vocabulary": 500})
    texts = [sentence(number * 7) for number in range(PAIRS + 20)]
    for language, say in (("en", str), ("fr", translation)):
        lines = [f"{say(text)} {mark}" for text, mark in zip(texts, MARKS, strict=False)]
        (root / f"text.{language}").write_text("\n".join(lines[:PAIRS]) + "\n", encoding="utf-8")
        (root / f"own.{language}").write_text("\n".join(lines[PAIRS:]) + "\n", encoding="utf-8")
    for stage in (prepare, tokenize):
        stage.run(Project.open(root))
    layout = Project.open(root).layout
    trained = marks_in(layout.sentences / "en") | marks_in(layout.sentences / "fr")
    kept_away = (marks_in(layout.monolingual / "en") | marks_in(layout.monolingual / "fr")) - trained
    assert kept_away & set(MARKS[:PAIRS])  # of held-out documents
    assert kept_away & set(MARKS[PAIRS:])  # of the text to mine
    vocabulary = json.loads((layout.tokenizer / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    assert set("".join(vocabulary)) & set(MARKS) == trained
