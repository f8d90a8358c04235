"""A clone of this repository with a tiny project in it, and real `dvc repro` there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from imports import ROOT
from ruamel.yaml import YAML
from tiny_project import write_project

from pipeline.ground.hashing import file_hash

STAGES = ["prepare", "tokenize", "teach", "neighborhoods", "train", "embed", "mine@en-fr", "evaluate", "report"]
ARTIFACTS = ("data", "models", "metrics", "reports")
NOT_ARTIFACTS = ("store", "cost", "locks", "checkpoints")


def clone(destination: Path, teacher: Path) -> Path:
    """A clone of this working tree as git would have it, with tiny parameters and text."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        source = ROOT / name
        if source.is_file() and name.split("/")[0] in (
            "pipeline",
            "stages",
            "dvc.yaml",
            ".dvc",
            ".dvcignore",
            ".gitignore",
        ):
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, destination / name)
    write_project(destination, teacher)
    add_deps(destination, {"prepare": ["text.en", "text.fr"], "tokenize": [str(teacher)], "teach": [str(teacher)]})
    (destination / "requirements.lock").touch()
    run(destination, "git", "init", "-q")
    return destination


def add_deps(folder: Path, deps: Mapping[str, list[str]]) -> None:
    """Add a project's own files to the deps of stages, as its user does."""
    yaml = YAML()
    yaml.width = 4096
    pipeline = yaml.load(folder / "dvc.yaml")
    for stage, files in deps.items():
        pipeline["stages"][stage]["deps"].extend(files)
    yaml.dump(pipeline, folder / "dvc.yaml")


def run(folder: Path, *command: str, check: bool = True) -> str:
    """Run a command in a clone, whose own code it imports; returns what it printed."""
    tools = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "OMP_NUM_THREADS": "1",
        "DVC_NO_ANALYTICS": "1",
    }
    environment.pop("SOFTALIGN_STORE", None)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    if check and done.returncode != 0:
        raise AssertionError(f"{command} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr


def repro(folder: Path) -> list[str]:
    """Run ``dvc repro``; returns the stages that really ran, in order."""
    printed = run(folder, "dvc", "repro")
    return [line.split("'")[1] for line in printed.splitlines() if line.startswith("Running stage")]


def hashes(folder: Path) -> dict[str, str]:
    """Every artifact's bytes."""
    return {
        path.relative_to(folder).as_posix(): file_hash(path)
        for top in ARTIFACTS
        for path in sorted((folder / top).rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[1] not in NOT_ARTIFACTS
    }
