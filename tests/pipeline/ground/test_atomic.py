import os
import subprocess
import sys
from pathlib import Path

import pytest
from imports import ROOT

from pipeline.ground.atomic import atomic_file, atomic_folder, clear_leftovers, write_text


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


def hold(folder: Path, code: str) -> subprocess.Popen[str]:
    """A process that is in the middle of writing below ``folder``."""
    program = f"""
import sys
from pathlib import Path
from pipeline.ground.atomic import atomic_file, atomic_folder
with {code} as temporary:
    print(temporary, flush=True)
    sys.stdin.read()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=folder, env=environment, stdin=-1, stdout=-1, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


@pytest.mark.parametrize("code", ['atomic_file(Path("out"))', 'atomic_folder(Path("out"))'])
def test_what_another_process_is_writing_stays_and_what_a_killed_one_left_goes(tmp_path: Path, code: str):
    first, second = hold(tmp_path, code), hold(tmp_path, code)
    assert len(list(tmp_path.iterdir())) == 2
    first.kill()
    first.communicate()
    assert len(list(tmp_path.iterdir())) == 2
    third = hold(tmp_path, code)
    assert len(list(tmp_path.iterdir())) == 2  # the killed one's went, the living one's did not
    for process in (second, third):
        process.communicate()
        assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_only_what_was_to_become_the_same_file_is_cleared(tmp_path: Path):
    for name in (".a.abc.tmp", ".a.txt.abc.tmp", "a.abc.tmp", ".b.abc.tmp"):
        (tmp_path / name).touch()
    write_text(tmp_path / "a", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.txt.abc.tmp", ".b.abc.tmp", "a", "a.abc.tmp"]
    clear_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.abc.tmp"]


@pytest.mark.parametrize("killed_in", ["rename", "finally"])
def test_a_folder_that_was_moved_away_is_there_again(tmp_path: Path, killed_in: str):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old").touch()
    program = """
import os, signal, sys
from pathlib import Path
from pipeline.ground.atomic import atomic_folder
seen = []
def hook(event, arguments):
    if event == "os.rename":
        seen.append(arguments)
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGKILL) if sys.argv[1] == "rename" else (_ for _ in ()).throw(KeyboardInterrupt)
sys.addaudithook(hook)
with atomic_folder(Path("out")) as temporary:
    (temporary / "new").touch()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program, killed_in], cwd=tmp_path, env=environment, capture_output=True)
    if killed_in == "rename":
        assert not folder.exists()
    with pytest.raises(RuntimeError), atomic_folder(folder):
        raise RuntimeError
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_two_processes_that_replace_one_folder_both_succeed(tmp_path: Path):
    program = """
import sys
from pathlib import Path
from pipeline.ground.atomic import atomic_folder
for number in range(40):
    with atomic_folder(Path("out")) as temporary:
        for name in "abc":
            (temporary / name).write_text(sys.argv[1])
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen([sys.executable, "-c", program, who], cwd=tmp_path, env=environment, stderr=-1)
        for who in ("1", "2", "3")
    ]
    for process in processes:
        _, printed = process.communicate(timeout=60)
        assert process.returncode == 0, printed.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len({(tmp_path / "out" / name).read_text() for name in "abc"}) == 1


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[int | str]:
    """What is synced (its inode, which a rename keeps) and what becomes of which name, in order."""
    found: list[int | str] = []
    original = os.fsync

    def fsync(descriptor: int) -> None:
        found.append(os.fstat(descriptor).st_ino)
        original(descriptor)

    def noted(rename):
        def renamed(self: Path, target: Path) -> Path:
            found.append(Path(target).name)
            return rename(self, target)

        return renamed

    monkeypatch.setattr(os, "fsync", fsync)
    for name in ("rename", "replace"):
        monkeypatch.setattr(Path, name, noted(getattr(Path, name)))
    return found


def test_a_folder_s_files_are_on_the_disk_before_its_rename_and_its_name_after(tmp_path: Path, events: list[int | str]):
    """Else a loss of power could leave the new name with empty files behind it."""
    folder = tmp_path / "out"
    with atomic_folder(folder) as temporary:
        (temporary / "deep").mkdir()
        (temporary / "a").write_text("a")
        (temporary / "deep" / "b").write_text("b")
    renamed = events.index("out")
    written = {path.stat().st_ino for path in (folder, *folder.rglob("*"))}
    assert len(written) == 4
    assert written <= set(events[:renamed])
    assert tmp_path.stat().st_ino in events[renamed:]


def test_a_file_is_on_the_disk_before_its_rename_and_its_name_after(tmp_path: Path, events: list[int | str]):
    write_text(tmp_path / "out", "text")
    renamed = events.index("out")
    assert (tmp_path / "out").stat().st_ino in events[:renamed]
    assert tmp_path.stat().st_ino in events[renamed:]
