"""``softalign verify`` on a project made by hand: each fault is one line, and is cleared."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from artifacts_made import write_artifacts
from typer.testing import CliRunner

from pipeline.encoders.kept_models import FOLDER as MODELS
from pipeline.ground.folder_checksums import write_checksums
from pipeline.ground.hashing import as_keys, text_key
from pipeline.search.faiss_index import IndexForm, ensure_index
from pipeline.search.kept_indexes import FOLDER
from pipeline.store.local import VectorStore
from softalign.app import app
from softalign.projects.dvc_record import Record, record_defects, remove_bad_copy

run = CliRunner()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SOFTALIGN_STORE", raising=False)
    root = write_artifacts(tmp_path)
    (root / "params.yaml").touch()
    student = root / "models" / "student"
    student.mkdir(parents=True)
    (student / "modules.json").write_text("[]\n")
    write_checksums(student)
    store = VectorStore(root / "data" / "store", {"model": "m"}, 4)
    keys = as_keys(sorted(text_key(str(number)) for number in range(3)))
    store.add(keys, np.ones((3, 4), np.float16))
    vectors = np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32)
    ensure_index(root / "data" / "store" / FOLDER, vectors, IndexForm("Flat", 1 << 30))
    model = root / "data" / "store" / MODELS / "small4-abc"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}\n")
    write_checksums(model)
    return root


def verify(path: Path, *options: str) -> tuple[int, list[str]]:
    done = run.invoke(app, ["verify", str(path), *options])
    return done.exit_code, done.stdout.splitlines()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_sound_project(project: Path):
    assert verify(project) == (0, [f"{project}: nothing is damaged, missing or out of place"])


def swap(project: Path) -> None:
    en, fr = (project / "data/sentences" / language / "00000.arrow" for language in ("en", "fr"))
    content = en.read_bytes()
    en.write_bytes(fr.read_bytes())
    fr.write_bytes(content)


FAULTS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "shard": (lambda p: flip(p / "data/sentences/en/00000.arrow"), "data/sentences/en/00000.arrow", "damaged"),
    "cut": (
        lambda p: os.truncate(p / "data/teacher/fr/00000.arrow", 500),
        "data/teacher/fr/00000.arrow",
        "damaged",
    ),
    "empty": (lambda p: os.truncate(p / "data/mined/en-fr.parquet", 0), "data/mined/en-fr.parquet", "empty"),
    "mined": (lambda p: flip(p / "data/mined/en-fr.parquet"), "data/mined/en-fr.parquet", ""),
    "swapped languages": (swap, "data/tokens/student/en", "not the rows of"),
    "metrics": (lambda p: os.truncate(p / "metrics/train.json", 20), "metrics/train.json", "not JSON"),
    "rejects": (lambda p: os.truncate(p / "data/rejects/mine.tsv.zst", 9), "data/rejects/mine.tsv.zst", ""),
    "model": (lambda p: flip(p / "models/student/modules.json"), "models/student/modules.json", "damaged or changed"),
    "segment": (lambda p: flip(next((p / "data/store").glob("*/*.arrow"))), "data/store", "damaged"),
    "identity": (lambda p: flip(next((p / "data/store").glob("*/identity.json"))), "data/store", "not the identity"),
    "index": (lambda p: flip(next((p / "data/store").glob("indexes/*/index.faiss"))), "data/store/indexes", "damaged"),
    "an index' account": (
        lambda p: flip(next((p / "data/store").glob("indexes/*/about.json"))),
        "data/store/indexes",
        "damaged",
    ),
    "converted model": (
        lambda p: flip(p / "data/store/models/small4-abc/config.json"),
        "data/store/models/small4-abc",
        "damaged",
    ),
    "left over": (
        lambda p: (p / "data/teacher/.en.x1.part").mkdir(),
        "data/teacher/.en.x1.part",
        "left by a stopped run",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_and_is_cleared(project: Path, fault: str):
    harm, path, said = FAULTS[fault]
    harm(project)
    code, lines = verify(project)
    assert code == 1
    named = [line for line in lines[:-1] if line.startswith(str(project / path)) and said in line]
    assert len(named) >= 1, lines
    code, lines = verify(project, "--repair")
    assert code == 0
    assert "removed" in lines[-1]
    verify(project, "--repair")  # what was made of it may be left alone now
    assert verify(project)[0] == (1 if fault == "model" else 0)  # a model lacks its file until it is trained again


def test_one_file_or_folder(project: Path):
    assert verify(project / "data" / "teacher")[0] == 0
    flip(project / "data/teacher/en/00000.arrow")
    assert verify(project / "data" / "teacher")[0] == 1
    assert verify(project / "data" / "pairs")[0] == 0
    done = run.invoke(app, ["verify", str(project / "nowhere")])
    assert (done.exit_code, done.stderr) == (1, f"softalign: error: {project / 'nowhere'}: no such file or folder\n")


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[Record, Path, Path]:
    """An output, and DVC's copy of it: the same file under two names."""
    path = tmp_path / "metrics" / "a.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"a": 1}))
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    copied = tmp_path / "cache" / md5[:2] / md5[2:]
    copied.parent.mkdir(parents=True)
    copied.hardlink_to(path)
    return Record(tmp_path, {path: md5}, tmp_path / "cache"), path, copied


def test_a_flipped_digit_in_metrics_is_seen_by_dvc_s_record_and_leaves_its_cache_too(recorded):
    record, path, copied = recorded
    assert list(record_defects(record)) == []
    with path.open("r+b") as opened:  # in place, as a failing disk would
        opened.write(b'{"a": 3}')
    (defect,) = record_defects(record)
    assert str(defect).startswith(f"{path}: not what dvc.lock notes")
    assert remove_bad_copy(record, path)
    assert not copied.exists()


def test_a_sound_copy_stays_for_dvc_to_put_back(recorded):
    record, path, copied = recorded
    path.unlink()
    path.write_text("{}")
    assert [defect.path for defect in record_defects(record)] == [path]
    assert not remove_bad_copy(record, path)
    assert copied.exists()
    flip(copied)
    assert [defect.path for defect in record_defects(record)] == [path, copied]


def test_a_missing_output_is_named(recorded):
    record, path, _ = recorded
    path.unlink()
    assert [str(defect) for defect in record_defects(record)] == [f"{path}: missing, though dvc.lock has it"]
