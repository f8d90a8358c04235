"""A full disk, a read-only one, missing rights, few open files, little memory: one clear line, no damage, and it goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kills import leftovers
from tiny_project import write_project
from warm import Done, Warm

from pipeline.ground.hashing import folder_hash

pytestmark = pytest.mark.slow

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system")


def only_line(done: Done) -> str:
    """The one line that a failed stage says."""
    assert done.code == 1, done
    (line,) = done.said
    assert line.startswith("softalign: error: ")
    return line.removeprefix("softalign: error: ")


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with Warm() as found:
        yield found


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, tiny_teacher: Path, warm: Warm) -> Path:
    """A project in which everything before train has run."""
    train = {"steps": 20, "checkpoint_every": 5, "batch_size": 32}
    root = write_project(tmp_path_factory.mktemp("taught") / "project", tiny_teacher, train=train)
    for name in ("prepare", "tokenize", "teach", "neighborhoods"):
        assert warm.stage(root, name).code == 0
    return root


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(place)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"can't mount: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def leave_free(place: Path, kilobytes: int) -> Path:
    """Fill a file system but for so much."""
    filler = place / "filler"
    about = os.statvfs(place)
    with filler.open("wb") as opened:
        os.posix_fallocate(opened.fileno(), 0, about.f_bavail * about.f_frsize - kilobytes * 1024)
    return filler


@as_root
@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("prepare", "data/sentences"),
        ("tokenize", "data/tokens"),
        ("teach", "data/teacher"),
        ("neighborhoods", "data/neighborhoods"),
        ("train", "models"),
    ],
)
def test_a_full_disk(taught: Path, small_disk: Path, warm: Warm, name: str, out: str):
    project = small_disk / "project"
    shutil.copytree(taught, project)
    before = folder_hash(project / out) if (project / out).exists() else None
    if name == "teach":
        shutil.rmtree(project / "data" / "store")
    filler = leave_free(small_disk, 24)
    line = only_line(warm.stage(project, name))
    assert line.endswith("the disk is full; make room and run the same command again; what was finished is kept")
    assert leftovers(project) == []
    assert (folder_hash(project / out) if (project / out).exists() else None) == before
    filler.unlink()
    done = warm.stage(project, name)
    assert done.code == 0, done
    if before is not None:
        assert folder_hash(project / out) == before


@as_root
def test_a_read_only_file_system(taught: Path, small_disk: Path, warm: Warm):
    project = small_disk / "project"
    shutil.copytree(taught, project)
    before = folder_hash(project / "data")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert only_line(warm.stage(project, "neighborhoods")).endswith("the file system is read-only")
    assert folder_hash(project / "data") == before
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert warm.stage(project, "neighborhoods").code == 0


@as_root
def test_no_permission(taught: Path, warm: Warm):
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        Path(name).chmod(0o755)
        project = Path(name) / "project"
        shutil.copytree(taught, project)
        project.chmod(0o755)
        assert only_line(warm.stage(project, "neighborhoods", user=65534)).endswith("permission denied")


def test_few_open_files_are_enough_for_many_shards(tmp_path: Path, tiny_teacher: Path, warm: Warm):
    prepare = {
        "corpora": [{"name": "made-up", "format": "moses", "path": "text.{lang}"}],
        "heldout": {"share": 0.3, "orphans": 0.2},
        "shard_rows": 6,
    }
    root = write_project(tmp_path / "p", tiny_teacher, prepare=prepare, train={"steps": 4, "batch_size": 32})
    for name in ("prepare", "tokenize", "teach", "neighborhoods", "train", "embed"):
        done = warm.stage(root, name, open_files=48)
        assert done.code == 0, (name, done)
    assert len(list((root / "data" / "teacher" / "en").iterdir())) > 48


def test_little_memory(taught: Path, tmp_path: Path, warm: Warm):
    project = tmp_path / "p"
    shutil.copytree(taught, project)
    assert only_line(warm.stage(project, "train", hungry=True)).startswith(
        "out of memory; lower the sizes in params.yaml"
    )
    assert leftovers(project) == []
    done = warm.stage(project, "train")
    assert done.code == 0, done
