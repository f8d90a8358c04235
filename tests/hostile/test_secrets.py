"""A hub token in the environment, or pasted where it doesn't belong, is never written anywhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_project import write_project

from pipeline.config import check_params
from pipeline.errors import ParamsError

TOKEN = "hf_" + "SecretSecretSecretSecretSecretSecr"


def run(stage: str, root: Path) -> subprocess.CompletedProcess:
    environment = {
        **os.environ,
        "HF_TOKEN": TOKEN,
        "HUGGING_FACE_HUB_TOKEN": TOKEN,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", f"stages.{stage}", "--project", str(root)]
    cwd = Path(__file__).parents[2]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def holding(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_no_log_artifact_metric_or_error_holds_the_token(tiny_teacher: Path, tmp_path: Path):
    root = write_project(tmp_path / "p", tiny_teacher, pairs=60)
    for stage in ("prepare", "tokenize", "report"):
        done = run(stage, root)
        assert done.returncode == 0, done.stderr
        assert TOKEN not in done.stdout + done.stderr
    assert (root / "reports" / "index.html").exists()
    text = (root / "params.yaml").read_text().replace(str(tiny_teacher), "nobody/nothing")
    (root / "params.yaml").write_text(text)
    done = run("tokenize", root)
    assert done.returncode == 1
    assert "could not be had from the hub" in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert holding(root) == []


@pytest.mark.parametrize("section", ["teacher", "student", "top"])
def test_a_token_in_params_is_an_unknown_key_whose_value_is_not_shown(section: str):
    raw = {"token": TOKEN} if section == "top" else {section: {"token": TOKEN, "model": "m"}}
    with pytest.raises(ParamsError, match=r"token: unknown key; allowed here") as found:
        check_params(raw)
    assert TOKEN not in str(found.value)
