"""The paper's parameter file, offline: tiny models of mE5's architecture stand in for mE5, made-up text for OPUS."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from imports import ROOT
from ruamel.yaml import YAML
from small import make_transformer, sentence

from pipeline.config.params import load_params
from stages import embed, evaluate, mine, neighborhoods, prepare, report, teach, tokenize, train
from stages.running.command import Project

PAPER = ROOT / "params" / "paper.yaml"
PAIRS = 60


def test_it_is_the_authors_setting():
    params = load_params(PAPER)
    assert params.languages == ["en", "ko", "fr", "ru", "ja"]
    assert len(params.pairs) == 10
    assert params.teacher.model == params.student.model == "intfloat/multilingual-e5-base"
    assert (params.train.temperature.teacher, params.train.temperature.student) == (0.1, 0.1)
    assert (params.train.batch_size, params.train.epochs, params.train.learning_rate) == (28, 30, 3e-5)
    assert params.train.schedule == "linear"
    assert [term.name for term in params.train.loss] == ["soft"]


def test_the_other_recipe_is_the_default_run_with_another_student():
    default, layers = (
        load_params(path).model_dump() for path in (ROOT / "params.yaml", ROOT / "params" / "layers.yaml")
    )
    assert layers["student"]["kind"] == "teacher"
    assert layers["train"]["lexicon"] is not None
    different = {name for name in default if default[name] != layers[name]}
    assert different == {"student", "train", "embed", "report"}


def _in(text: str, mark: str) -> str:
    """The sentence in a made-up language: every word with letters of another script."""
    return " ".join(word + mark for word in text.split())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The paper's parameters with what stands in, all stages run."""
    root = tmp_path_factory.mktemp("paper")
    params = YAML(typ="safe").load(PAPER.read_text(encoding="utf-8"))
    letters = {"en": "", "fr": "é", "ru": "вода", "ja": "みず", "ko": "물"}
    for index, pair in enumerate(params["pairs"]):
        folder = root / "opus" / "Made" / pair
        folder.mkdir(parents=True)
        # Each pair has sentences of its own: held-out ones that another pair trains on would be left out.
        english = [sentence((n + index * PAIRS) * 7) for n in range(PAIRS)]
        sides = {
            f"sentence{side}": [_in(text, letters[language]) for text in english]
            for side, language in enumerate(pair.split("-"), 1)
        }
        pq.write_table(pa.table(sides), folder / "train-00000-of-00001.parquet")
    params["prepare"]["corpora"] = [{"name": "opus", "format": "huggingface", "path": "opus"}]
    params["prepare"]["heldout"]["share"] = 0.3
    params["prepare"]["clean"] = {"min_script": 0.0, "min_letters": 0.0}
    model = make_transformer(root / "tiny-e5", kind="xlm-roberta", prompts=True)
    for role in ("teacher", "student"):
        params[role] |= {"model": model.name, "revision": None, "max_length": 32}
    params["train"] |= {"epochs": 1, "eval_every": 5, "checkpoint_every": 5}
    params["evaluate"]["bootstrap"] = 100
    with (root / "params.yaml").open("w", encoding="utf-8") as opened:
        YAML().dump(params, opened)
    opened_project = Project.open(root)
    for stage in (prepare, tokenize, teach, neighborhoods, train, embed):
        stage.run(opened_project)
    for pair in opened_project.params.pairs:
        mine.run(opened_project, pair)
    evaluate.run(opened_project)
    report.run(opened_project)
    return opened_project


def test_all_ten_pairs_are_trained_mined_and_evaluated(project: Project):
    scores = json.loads((project.layout.metrics / "evaluate.json").read_text())
    assert set(scores["retrieval"]["pairs"]) == set(project.params.pairs)
    assert len(list(project.layout.mined.glob("*.parquet"))) == 10


def test_the_teacher_embeds_each_pair_s_first_language(project: Project):
    assert sorted(path.name for path in project.layout.teacher.iterdir()) == ["en", "fr", "ko", "ru"]


def test_the_student_keeps_its_prefix_for_sentence_transformers(project: Project):
    from sentence_transformers import SentenceTransformer

    from pipeline.encoders.load import load_encoder
    from pipeline.encoders.resolve import resolve_model
    from stages.inputs.models import student_settings

    texts = [sentence(5), "물 вода"]
    student = SentenceTransformer(str(project.layout.student), device="cpu")
    assert student.default_prompt_name is not None
    assert student.prompts[student.default_prompt_name] == "query: "
    ours = load_encoder(
        resolve_model("student", str(project.layout.student), None, project.layout.root), student_settings(project)
    )
    np.testing.assert_allclose(ours.encode_tokens(ours.tokenize(texts)), student.encode(texts), atol=1e-5)


def test_epochs_become_steps(project: Project):
    sizes = json.loads((project.layout.metrics / "prepare.json").read_text())["pairs"]
    steps = sum(max(1, size // 28) for size in sizes.values())
    assert json.loads((project.layout.metrics / "train.json").read_text())["steps"] == steps
    assert Path(project.layout.report).is_file()
