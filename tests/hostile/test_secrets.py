"""A hub token in the environment, or pasted where it doesn't belong, is never written anywhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_project import write_project

from pipeline.config.params import check_params
from pipeline.console.errors import ParamsError

TOKEN = "hf_" + "SecretSecretSecretSecretSecretSecr"  # the form of one

ALL_STAGES = """
import importlib, sys
from pathlib import Path
from stages.running.command import Project, configure_log

configure_log()
for name in ("prepare", "tokenize", "teach", "neighborhoods", "train", "embed", "mine", "evaluate", "report"):
    stage = importlib.import_module(f"stages.{name}")
    stage.run(Project.open(Path(sys.argv[1])), *(["en-fr"] if name == "mine" else []))
"""


def run(*command: str) -> subprocess.CompletedProcess:
    """Run Python with the token in its environment, and without a network."""
    tokens = {"HF_TOKEN": TOKEN, "HUGGING_FACE_HUB_TOKEN": TOKEN}
    environment = {**os.environ, **tokens, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    cwd = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def holding(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_no_log_artifact_metric_report_card_or_error_holds_the_token(tiny_teacher: Path, tmp_path: Path):
    root = write_project(tmp_path / "p", tiny_teacher, pairs=120)
    done = run("-c", ALL_STAGES, str(root))
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert (root / "reports" / "index.html").exists()
    assert (root / "models" / "student" / "modules.json").exists()
    done = run(
        "-m",
        "softalign",
        "export",
        "--to",
        "sentence-transformers",
        "--out",
        str(tmp_path / "e"),
        "--project",
        str(root),
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "e" / "README.md").exists()
    text = (root / "params.yaml").read_text().replace(str(tiny_teacher), "nobody/nothing")
    (root / "params.yaml").write_text(text)
    failed = run("-m", "stages.tokenize", "--project", str(root))
    assert failed.returncode == 1
    assert "could not be had from the hub" in failed.stderr
    assert TOKEN not in done.stdout + done.stderr + failed.stdout + failed.stderr
    assert holding(tmp_path) == []


@pytest.mark.parametrize("section", ["teacher", "student", "top"])
def test_a_token_in_params_is_an_unknown_key_whose_value_is_not_shown(section: str):
    raw = {"token": TOKEN} if section == "top" else {section: {"token": TOKEN, "model": "m"}}
    with pytest.raises(ParamsError, match=r"token: unknown key; allowed here") as found:
        check_params(raw)
    assert TOKEN not in str(found.value)
