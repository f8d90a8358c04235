"""What the tests of whole pipelines share."""

from __future__ import annotations

from pathlib import Path

import pytest
from dvc_project import STAGES, clone, repro


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory, tiny_teacher: Path) -> Path:
    """A clone in which everything has run once; tests change only copies of it."""
    folder = clone(tmp_path_factory.mktemp("first"), tiny_teacher)
    assert repro(folder) == STAGES
    return folder
