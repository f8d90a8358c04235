"""``softalign export`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small import sentence
from tiny_project import write_project
from typer.testing import CliRunner

from pipeline.encoders.load import save_encoder
from pipeline.encoders.model import StaticModel
from pipeline.encoders.tokenization import TextTokenizer, train_tokenizer
from softalign.app import app

run = CliRunner()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a student, as training would have left it."""
    import torch

    root = write_project(tmp_path / "project", Path("teacher"), pairs=2)
    tokenizer = TextTokenizer(train_tokenizer(map(sentence, range(300)), 300), "", 12, special_tokens=False)
    folder = root / "models" / "student"
    folder.mkdir(parents=True)
    weight = torch.randn(tokenizer.backend.get_vocab_size(), 8, generator=torch.Generator().manual_seed(0))
    save_encoder(StaticModel(weight), tokenizer, folder)
    return root


def _error(*arguments: object) -> str:
    done = run.invoke(app, ["export", *map(str, arguments)])
    assert done.exit_code == 1, done.output
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("softalign: error: ").strip()


def test_onnx_of_a_projects_student(project: Path, tmp_path: Path):
    for name in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(name, reason=f"{name} is not installed: no ONNX export")
    out = tmp_path / "out"
    done = run.invoke(app, ["export", "--project", str(project), "--to", "onnx", "--out", str(out)])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert f"folder\t{out}" in lines
    assert "compared on\trandom tokens of the model's vocabulary" in lines
    assert any(line.startswith("onnx/model_int8.onnx\t") for line in lines)
    assert json.loads((out / "softalign.json").read_text())["onnx"]["min_cosine"] == 0.97
    assert "made-up" in (out / "README.md").read_text()


def test_the_project_is_found_from_the_student(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "out"
    student = project / "models" / "student"
    assert run.invoke(app, ["export", "--model", str(student), "--out", str(out)]).exit_code == 0
    assert "made-up" in (out / "README.md").read_text()
    monkeypatch.chdir(project)
    assert run.invoke(app, ["export", "--to", "card", "--out", str(out)]).exit_code == 0
    assert "made-up" in (out / "README.md").read_text()


def test_another_model_has_no_project(project: Path, tmp_path: Path):
    other = (project / "models" / "student").rename(tmp_path / "other")
    out = tmp_path / "out"
    assert run.invoke(app, ["export", "--model", str(other), "--out", str(out)]).exit_code == 0
    assert "knows nothing of how it was trained" in (out / "README.md").read_text()


def test_push(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []

    class Hub:
        def __init__(self, **options: object) -> None:
            asked.append("client")

        def whoami(self) -> None:
            asked.append("whoami")

        def create_repo(self, name: str, private: bool, exist_ok: bool) -> str:
            asked.append(f"create {name} private={private}")
            return f"https://hub.invalid/{name}"

        def model_info(self, name: str) -> object:
            return type("Info", (), {"private": True})

        def upload_folder(self, **options: object) -> None:
            asked.append(f"upload {sorted(options['allow_patterns'])[0]}")  # type: ignore[call-overload]

    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    out = tmp_path / "out"
    done = run.invoke(app, ["export", "--project", str(project), "--out", str(out), "--push-to-hub", "me/it"])
    assert done.exit_code == 0, done.output
    assert asked == ["client", "whoami", "create me/it private=True", "upload 1_Normalize/config.json"]
    assert "pushed to\thttps://hub.invalid/me/it" in done.stdout.splitlines()
    assert 'SentenceTransformer("me/it")' in (out / "README.md").read_text()


def test_errors(project: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert "no such folder" in _error("--model", tmp_path / "none", "--out", out)
    assert "no encoder's folder" in _error("--model", project, "--out", out)
    assert "--public: only has a meaning with --push-to-hub" in _error("--project", project, "--out", out, "--public")
    assert "a card alone is no model" in _error(
        "--project", project, "--out", out, "--to", "card", "--push-to-hub", "me/it"
    )
    assert "no such file" in _error("--project", project, "--out", out, "--to", "onnx", "--sample", tmp_path / "none")
    assert not out.exists()
