"""A pretrained student with a trimmed vocabulary in the stages: what tokenize writes, counts and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small import make_transformer
from tiny_project import write_project

from pipeline.artifacts.shards import iterate_shards
from pipeline.console.errors import UserError
from pipeline.encoders.tokenization import load_tokenizer
from stages import prepare, tokenize
from stages.running.command import Project

CLEAN = {"min_script": 0.0, "min_letters": 0.0}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Made-up text, and a tiny pretrained student with a prompt of its own."""
    model = make_transformer(tmp_path / "tiny-e5", kind="xlm-roberta")
    prompt = {"prompts": {"query": "lamp: "}, "default_prompt_name": "query"}
    (model / "config_sentence_transformers.json").write_text(json.dumps(prompt))
    return write_project(
        tmp_path / "project",
        model,
        prepare={"clean": CLEAN},
        student={"kind": "pretrained", "model": str(model), "trim_vocabulary": True},
    )


def test_training_sentences_have_the_tokens_that_they_had(project: Path):
    opened = Project.open(project)
    prepare.run(opened)
    tokenize.run(opened)
    counts = json.loads((opened.layout.metrics / "tokenize.json").read_text())["vocabulary"]
    whole = load_tokenizer(Path(opened.params.student.model or ""), "lamp: ", 16)
    small = load_tokenizer(opened.layout.tokenizer, "lamp: ", 16)
    assert counts["before"] == whole.backend.get_vocab_size()
    assert counts["used"] < counts["kept"] == small.backend.get_vocab_size() < counts["before"]
    for language in ("en", "fr"):
        texts = next(iterate_shards(opened.layout.sentences / language)).table.column("text").to_pylist()
        tokens = next(iterate_shards(opened.layout.tokens / "student" / language)).table.column("tokens").to_pylist()
        before = [[whole.backend.id_to_token(one) for one in whole([text]).tokens.tolist()] for text in texts]
        assert [[small.backend.id_to_token(one) for one in ids] for ids in tokens] == before
        assert before[0][1:3] == ["lamp", ":"] or "lamp" in "".join(before[0])  # the model's own prompt


def test_text_in_a_script_that_the_model_lacks_is_refused(project: Path):
    lines = (project / "text.fr").read_text(encoding="utf-8").splitlines()
    other = str.maketrans({chr(ord("a") + place): chr(0x2D30 + place) for place in range(26)})
    text = "\n".join(line.lower().translate(other) for line in lines)
    (project / "text.fr").write_text(text + "\n", encoding="utf-8")
    opened = Project.open(project)
    prepare.run(opened)
    with pytest.raises(
        UserError, match=r"the vocabulary of tiny-e5 lacks the script of the text: \d+ % of fr is unknown"
    ):
        tokenize.run(opened)
    assert not opened.layout.tokens.exists()
