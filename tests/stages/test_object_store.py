"""The vector store and DVC's remote on an S3-compatible server on loopback: a colleague computes no vector again."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc_project import clone, run
from tiny_project import write_project

from pipeline.ground.hashing import folder_hash
from stages import prepare, teach, tokenize
from stages.running.command import Project

pytest.importorskip("s3fs", reason="softalign[s3] is not installed")
pytest.importorskip("moto", reason="moto, the server on loopback, is not installed")
pytest.importorskip("flask_cors", reason="flask-cors, which moto's server needs, is not installed")

pytestmark = pytest.mark.slow

BUCKET = "team"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address, with a bucket; the environment names it and its keys."""
    import fsspec

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    address = f"http://127.0.0.1:{port}"
    with log.open("w") as output, pytest.MonkeyPatch.context() as patch:
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        for name, value in (keys | {"AWS_ENDPOINT_URL": address}).items():
            patch.setenv(name, value)
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ.copy())
        try:
            for _ in range(120):
                assert process.poll() is None, log.read_text()
                with socket.socket() as asking:
                    if asking.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.5)
            fsspec.filesystem("s3").mkdir(BUCKET)
            yield address
        finally:
            process.kill()
            process.wait()


def taught(root: Path, teacher: Path) -> dict:
    project = Project.open(write_project(root, teacher, pairs=80))
    for stage in (prepare, tokenize, teach):
        stage.run(project)
    metrics: dict = json.loads((project.layout.metrics / "teach.json").read_text())
    return metrics["en"]


def test_a_colleague_s_vectors_come_from_the_store(
    server: str, tmp_path: Path, tiny_teacher: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SOFTALIGN_STORE", f"s3://{BUCKET}/vectors")
    mine, theirs = (taught(tmp_path / name, tiny_teacher) for name in ("mine", "theirs"))
    assert mine["misses"] == mine["sentences"] > 0
    assert (theirs["hits"], theirs["misses"]) == (mine["sentences"], 0)
    assert folder_hash(tmp_path / "mine" / "data" / "teacher") == folder_hash(tmp_path / "theirs" / "data" / "teacher")


def test_dvc_pull_brings_what_dvc_push_has_sent(server: str, tmp_path: Path, tiny_teacher: Path):
    """As docs/scale.md says: a remote, push, and in a clone pull; nothing is computed there."""
    pytest.importorskip("dvc_s3", reason="softalign[s3] is not installed")
    mine = clone(tmp_path / "mine", tiny_teacher)
    run(mine, "dvc", "remote", "add", "--default", "team", f"s3://{BUCKET}/dvc")
    run(mine, "dvc", "remote", "modify", "team", "endpointurl", server)
    run(mine, "dvc", "repro", "teach")
    run(mine, "dvc", "push", "teach")
    run(mine, "git", "add", "-A")
    run(mine, "git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "taught")
    theirs = tmp_path / "theirs"
    run(tmp_path, "git", "clone", "-q", str(mine), str(theirs))
    run(theirs, "dvc", "pull", "teach")
    assert folder_hash(theirs / "data" / "teacher") == folder_hash(mine / "data" / "teacher")
    assert not (theirs / "data" / "store").exists()
    printed = run(theirs, "dvc", "repro", "--single-item", "teach", "--allow-missing")
    assert "didn't change, skipping" in printed
