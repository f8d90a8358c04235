"""Where a project's artifacts are, also when DVC runs it as an experiment in a clone."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.running.layout import Layout


def project(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "params.yaml").touch()
    return folder


@pytest.fixture(autouse=True)
def no_store_of_the_tester(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOFTALIGN_STORE", raising=False)


@pytest.mark.parametrize("clone", ["tmpabc", "standalone/tmpabc"])
def test_an_experiment_s_store_is_its_project_s(tmp_path: Path, clone: str):
    root = project(tmp_path / "mine")
    (root / ".git").mkdir()
    experiment = project(root / ".dvc" / "tmp" / "exps" / clone)
    (experiment / ".git").mkdir()
    assert Layout(experiment).store == root / "data" / "store"
    assert Layout(experiment).teacher == experiment / "data" / "teacher"


def test_an_experiment_of_a_project_in_a_subfolder(tmp_path: Path):
    (tmp_path / ".git").mkdir()
    root = project(tmp_path / "work" / "mine")
    clone = root / ".dvc" / "tmp" / "exps" / "tmpabc"
    experiment = project(clone / "work" / "mine")
    (clone / ".git").mkdir()
    assert Layout(experiment).store == root / "data" / "store"


def test_the_working_folder_as_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = project(tmp_path / "mine")
    (root / ".git").mkdir()
    experiment = project(root / ".dvc" / "tmp" / "exps" / "tmpabc")
    (experiment / ".git").mkdir()
    monkeypatch.chdir(experiment)
    assert Layout(Path()).store == root / "data" / "store"
    monkeypatch.chdir(root)
    assert Layout(Path()).store == Path("data/store")


def test_any_other_project_is_its_own(tmp_path: Path):
    for folder in (tmp_path / "plain", tmp_path / ".dvc" / "tmp" / "exps" / "no-clone"):
        assert Layout(project(folder)).store == folder / "data" / "store"


def test_a_store_that_is_named_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOFTALIGN_STORE", str(tmp_path / "shared"))
    assert Layout(tmp_path).store == tmp_path / "shared"
