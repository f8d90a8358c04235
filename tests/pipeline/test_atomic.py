import os
from pathlib import Path

import pytest

from pipeline.atomic import atomic_file, atomic_folder, write_text


def test_text_appears_whole(tmp_path: Path):
    write_text(tmp_path / "deep" / "a.txt", "ä\n")
    assert (tmp_path / "deep" / "a.txt").read_bytes() == "ä\n".encode()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.txt"]


def test_an_error_leaves_the_old_file_and_no_rubbish(tmp_path: Path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_hard_linked_file_is_replaced_and_its_other_name_kept(tmp_path: Path):
    cached, path = tmp_path / "cached", tmp_path / "a.txt"
    cached.write_text("old")
    cached.chmod(0o444)
    os.link(cached, path)
    write_text(path, "new")
    assert (cached.read_text(), path.read_text()) == ("old", "new")


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "stale").touch()
    with atomic_folder(folder) as temporary:
        (temporary / "fresh").touch()
        assert (folder / "stale").exists()
    assert [path.name for path in folder.iterdir()] == ["fresh"]
    assert list(tmp_path.iterdir()) == [folder]


def test_an_error_leaves_the_old_folder(tmp_path: Path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(RuntimeError), atomic_folder(folder) as temporary:
        (temporary / "half").touch()
        raise RuntimeError
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [folder]


def test_what_a_killed_run_left_is_cleared(tmp_path: Path):
    (tmp_path / ".out.abc.part").mkdir()
    with atomic_folder(tmp_path / "out"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_usual_permissions(tmp_path: Path):
    write_text(tmp_path / "a", "x")
    plain = tmp_path / "b"
    plain.write_text("x")
    assert (tmp_path / "a").stat().st_mode == plain.stat().st_mode
