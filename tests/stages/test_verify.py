"""Silent damage in every kind of artifact of a real project: named, cleared, and made again bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dvc_project import hashes, repro
from imports import ROOT

from pipeline.store.local import list_store

pytestmark = pytest.mark.slow

# Tokens, neighbourhoods and embeddings have the form of sentences and vectors: their stages would only cost time.
DAMAGED = (
    "data/sentences/fr/00000.arrow",
    "data/teacher/en/00000.arrow",
    "models/student/model.safetensors",
    "data/mined/en-fr.parquet",
    "data/rejects/made-up.tsv.zst",
    "metrics/heldout.json",
    "reports/index.html",
)


def flip(path: Path) -> None:
    """Flip a bit as a failing disk would: in place, in DVC's copy too, without a new time."""
    about = path.stat()
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    with path.open("r+b") as opened:
        opened.write(content)
    path.chmod(about.st_mode)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def verify(folder: Path, *options: str) -> tuple[int, list[str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("SOFTALIGN_STORE", None)
    done = subprocess.run(
        [sys.executable, "-m", "softalign", "verify", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout.splitlines()


@pytest.fixture
def project(first: Path, tmp_path: Path) -> Path:
    """A copy in which artifacts and DVC's copies of them are still one file each."""
    subprocess.run(["cp", "-a", first, tmp_path / "project"], check=True)
    return tmp_path / "project"


def test_silent_damage_is_named_cleared_and_made_again_bit_for_bit(project: Path):
    before = hashes(project)
    (entry,) = list_store(project / "data" / "store")
    segment = min(entry.folder.glob("*.arrow"))
    damaged = [*(project / name for name in DAMAGED), segment]
    assert all(path.stat().st_nlink == 2 for path in damaged[:-1])
    for path in damaged:
        flip(path)

    code, lines = verify(project)
    assert code == 1
    named = {line.partition(": ")[0] for line in lines[:-1]}
    assert {path.relative_to(project).as_posix() for path in damaged} <= named
    code, lines = verify(project, "--repair")
    assert code == 0
    assert lines[-1].endswith("`dvc repro` makes again what is needed")
    assert not any(path.exists() for path in damaged)

    repro(project)
    after = hashes(project)
    for artifacts in (before, after):
        artifacts.pop("reports/index.html")  # it says what the stages' last runs cost
    # What the store had is counted in metrics, and the repair took a segment from it.
    assert {name for name in before if before[name] != after.get(name)} <= {"metrics/teach.json"}
    assert verify(project) == (0, [".: nothing is damaged, missing or out of place"])
