import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.ground import remembered
from pipeline.ground.remembered import once_a_file


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as old at once."""
    monkeypatch.setattr(remembered, "SETTLED_SECONDS", 0.0)


def counted() -> tuple[Callable[[Path], str], list[Path]]:
    reads: list[Path] = []

    def read(path: Path) -> str:
        reads.append(path)
        return path.read_text()

    return once_a_file(read), reads


@pytest.mark.usefixtures("settled")
def test_a_file_is_read_once_while_it_stays(tmp_path: Path):
    read, reads = counted()
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("two")
    assert [read(tmp_path / name) for name in "abab"] == ["one", "two", "one", "two"]
    assert [path.name for path in reads] == ["a", "b"]


def overwritten(path: Path) -> None:
    path.write_text("TWO")


def replaced(path: Path) -> None:
    (path.parent / "new").write_text("TWO")
    about = path.stat()
    os.utime(path.parent / "new", ns=(about.st_atime_ns, about.st_mtime_ns))
    (path.parent / "new").replace(path)


def overwritten_and_dated_back(path: Path) -> None:
    about = path.stat()
    path.write_text("TWO")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", [overwritten, replaced, overwritten_and_dated_back])
def test_a_change_of_the_same_size_is_seen(tmp_path: Path, change: Callable[[Path], None]):
    read, _ = counted()
    path = tmp_path / "a"
    path.write_text("one")
    os.utime(path, ns=(0, 10**18))
    assert read(path) == "one"
    change(path)
    assert read(path) == "TWO"


def test_what_was_written_just_now_is_read_again(tmp_path: Path):
    read, reads = counted()
    (tmp_path / "a").write_text("one")
    assert [read(tmp_path / "a"), read(tmp_path / "a")] == ["one", "one"]
    assert len(reads) == 2


def test_a_clock_that_is_behind_the_file_s_remembers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    read, reads = counted()
    (tmp_path / "a").write_text("one")
    monkeypatch.setattr(remembered.time, "time", lambda: (tmp_path / "a").stat().st_mtime - 3_600)
    assert [read(tmp_path / "a"), read(tmp_path / "a")] == ["one", "one"]
    assert len(reads) == 2


def test_a_missing_file_is_an_error_each_time(tmp_path: Path):
    read, _ = counted()
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "a")
