"""Teachers and students in other people's layouts, through the stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from st_layouts import build
from tiny_project import run_to_neighborhoods, write_project

from pipeline.artifacts.folders import TextFolder, VectorFolder
from pipeline.config.params import load_params
from pipeline.console.errors import UserError
from pipeline.encoders.layout import read_layout
from stages import embed, teach, tokenize, train
from stages.inputs.benchmarks import own_model
from stages.running.command import Project


def project_of(root: Path, model: Path, teacher: dict[str, Any], pairs: int = 20, **sections: dict[str, Any]) -> Path:
    """A project whose section ``teacher`` is changed as well."""
    write_project(root, model, pairs, **sections)
    yaml = YAML()
    params = yaml.load(root / "params.yaml")
    params["teacher"].update(teacher)
    yaml.dump(params, root / "params.yaml")
    return root


def encode(folder: Path, texts: list[str]) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    found: np.ndarray = model.encode(texts, normalize_embeddings=True, batch_size=1)
    return found


def same_as_the_library(model: Path, texts: Path, vectors: Path) -> None:
    folder = TextFolder(texts)
    rows = np.arange(0, len(folder), 17)
    found = VectorFolder(vectors).select(rows).astype(np.float32)
    np.testing.assert_allclose(found, encode(model, list(folder.select(rows))), atol=5e-4)  # stored in float16


@pytest.mark.parametrize(
    ("teacher", "student"),
    [("embedding-gemma", "labse"), ("residual", "library-prompt"), ("qwen3-embedding", "static-dense")],
)
def test_a_project_taught_and_trained(teacher: str, student: str, tmp_path: Path):
    models = [build(tmp_path / name, name) for name in (teacher, student)]
    root = project_of(
        tmp_path / "project",
        models[0],
        {"max_length": 24},
        student={"kind": "pretrained", "model": str(models[1]), "max_length": 24},
        train={"steps": 6, "eval_every": 3, "batch_size": 16, "learning_rate": 0.01},
        labels={"strategy": "average"},
        pairs=200,
    )
    run_to_neighborhoods(root)
    layout = Project.open(root).layout
    same_as_the_library(models[0], layout.sentences / "en", layout.teacher / "en")
    for stage in (train, embed):
        stage.run(Project.open(root))
    same_as_the_library(layout.student, layout.monolingual / "fr", layout.embeddings / "fr")
    kinds = [
        [one.kind for one in read_layout(folder).modules if one.kind != "Normalize"]
        for folder in (models[1], layout.student)
    ]
    assert kinds[0] == kinds[1]
    texts = list(TextFolder(layout.sentences / "en").select(np.arange(5)))
    before, after = (own_model(Project.open(root), which).encode(texts) for which in ("untrained", "student"))
    np.testing.assert_allclose(before, encode(models[1], texts), atol=5e-4)
    np.testing.assert_allclose(after, encode(layout.student, texts), atol=5e-4)
    assert not np.allclose(before, after, atol=1e-3)


def test_prompts_by_default_by_name_and_none(tmp_path: Path):
    gemma, other = (build(tmp_path / name, name) for name in ("embedding-gemma", "labse"))

    def project(teacher: dict | None = None, **sections: dict) -> Project:
        return Project.open(project_of(tmp_path / "project", gemma, teacher or {}, **sections))

    from stages.inputs.models import resolve_student, resolve_teacher, student_prefix, teacher_settings

    def prefixes(one: Project) -> tuple[str, str]:
        return teacher_settings(one, resolve_teacher(one)).prefix, student_prefix(one, resolve_student(one))

    pretrained = {"kind": "pretrained", "model": str(gemma)}
    assert prefixes(project()) == ("title: none | text: ", "")
    assert prefixes(project(student=pretrained)) == ("title: none | text: ",) * 2
    assert prefixes(project(teacher={"prompt_name": "query"}, student={**pretrained, "prompt_name": "query"})) == (
        "task: river | query: ",
        "task: river | query: ",
    )
    assert prefixes(project(teacher={"prefix": ""}, student={**pretrained, "prefix": "x "})) == ("", "x ")
    listed = "embedding-gemma has no prompt 'passage'; it has 'document', 'query'"
    with pytest.raises(UserError, match=f"^teacher.prompt_name: {listed}$"):
        tokenize.run(project(teacher={"prompt_name": "passage"}))
    with pytest.raises(UserError, match=f"^teacher.prompt_name: {listed}$"):
        teach.run(project(teacher={"prompt_name": "passage"}))
    with pytest.raises(UserError, match=f"^student.prompt_name: {listed}$"):
        prefixes(project(student={**pretrained, "prompt_name": "passage"}))
    assert other.is_dir()


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("teacher", {"prefix": "a", "prompt_name": "b"}, "give 'prefix' or 'prompt_name', not both"),
        ("student", {"prompt_name": "b"}, "'prompt_name' is for a pretrained student without 'prefix'"),
        ("evaluate", {"peers": [{"name": "a", "own": "teacher", "prompt_name": "b"}]}, "are only for a 'model'"),
        ("evaluate", {"peers": [{"name": "a", "model": "m", "prefix": "x", "prompt_name": "b"}]}, "not both"),
    ],
)
def test_prompts_that_contradict(section: str, values: dict, message: str, tmp_path: Path):
    project_of(tmp_path, tmp_path / "m", **{"teacher": {}, section: values})
    with pytest.raises(UserError, match=message):
        load_params(tmp_path / "params.yaml")
