"""Things by name: found in a folder's files and in installed packages, imported when asked for, or said why not."""

import subprocess
import sys
from pathlib import Path

import pytest
from toy_packages import install

from pipeline.ground.registry import Registry, RegistryError

HEAD = "from toy_base import Thing\n"


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A kind with two things of its own: ``plain``, and ``two-words`` whose module can't be imported without a flag."""
    folder = tmp_path / "own" / "toy_things"
    folder.mkdir(parents=True)
    (folder.parent / "toy_base.py").write_text("class Thing:\n    name = ''\n")
    (folder / "__init__.py").write_text("")
    (folder / "_shared.py").write_text("raise AssertionError('holds no thing')\n")
    (folder / "plain.py").write_text(HEAD + "class Plain(Thing):\n    name = 'plain'\n")
    (folder / "two_words.py").write_text(
        HEAD
        + "from toy_things.plain import Plain\nclass _Help(Plain): ...\nclass Two(Plain):\n    name = 'two-words'\n"
    )
    monkeypatch.syspath_prepend(str(folder.parent))
    for name in ("toy_base", "toy_things", "toy_things.plain", "toy_things.two_words", "toy_things.broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import toy_base

    return Registry("thing", "toy_things", toy_base.Thing, group="softalign.toys")


def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, entry: str, code: str) -> Path:
    return install(tmp_path / "site", monkeypatch, name, {"softalign.toys": entry}, HEAD + code)


def test_only_what_is_asked_for_is_imported(things: Registry):
    assert things.find("plain").__name__ == "Plain"
    assert "toy_things.two_words" not in sys.modules
    assert things.find("two-words").__name__ == "Two"
    assert things.names() == ["plain", "two-words"]
    assert things.origin("plain") is None


def test_a_package_brings_one_by_entry_point(things: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = plugin(
        tmp_path, monkeypatch, "toy-extra", "extra = toy_extra:Extra", "class Extra(Thing):\n    name = 'extra'\n"
    )
    assert things.names() == ["extra", "plain", "two-words"]
    assert "toy_extra" not in sys.modules
    assert things.find("extra").__name__ == "Extra"
    assert list(things.all()) == ["extra", "plain", "two-words"]
    first = things.origin("extra")
    assert (first.distribution, first.version) == ("toy-extra", "1.2")
    file.write_text(file.read_text() + "# a comment changes nothing\n")
    assert things.origin("extra") == first
    file.write_text(file.read_text() + "CONSTANT = 1\n")
    assert things.origin("extra") != first


def test_the_hash_of_a_package_holds_its_other_modules(things, tmp_path, monkeypatch):
    plugin(tmp_path, monkeypatch, "toy-wide", "wide = toy_wide.inner:Wide", "")
    (tmp_path / "site" / "toy_wide.py").unlink()
    (tmp_path / "site" / "toy_wide").mkdir()
    for name in ("__init__", "inner", "other"):
        (tmp_path / "site" / "toy_wide" / f"{name}.py").write_text("")
    first = things.origin("wide")
    (tmp_path / "site" / "toy_wide" / "other.py").write_text("VALUE = 1\n")
    assert things.origin("wide").source != first.source


ERRORS = [
    # asked for, the package's entry point, its code, what is said
    ("plane", "", "", r"^there is no thing 'plane'; did you mean 'plain'\? known: plain, two-words$"),
    ("zzz", "", "", r"^there is no thing 'zzz'; expected one of plain, two-words$"),
    ("two_words", "", "", r"there is no thing 'two_words'; did you mean 'two-words'"),
    ("_shared", "", "", r"there is no thing '_shared'"),
    ("../plain", "", "", r"there is no thing '../plain'"),
    ("plain", "plain = toy_bad:Bad", "class Bad(Thing):\n    name = 'plain'\n", r"^there are 2 things called 'plain': "
     r"softalign and toy-bad 1\.2; uninstall one of them$"),
    ("bad", "bad = toy_bad:Bad", "import lacking_module\n", r"^thing 'bad' of toy-bad 1\.2, toy_bad:Bad: can't be "
     r"imported: ModuleNotFoundError: No module named 'lacking_module'$"),
    ("bad", "bad = toy_bad:Bad", "", r"can't be imported: AttributeError: .*Bad"),
    ("bad", "bad = toy_bad:Bad", "raise RuntimeError('two\\nlines')\n", r"can't be imported: RuntimeError: two lines$"),
    ("bad", "bad = toy_bad:Bad", "class Bad: ...\n", r"found <class 'toy_bad.Bad'>, expected a class derived from "
     r"toy_base\.Thing$"),
    ("bad", "bad = toy_bad:Thing", "", r"expected a class derived from toy_base\.Thing$"),
    ("bad", "bad = toy_bad:Bad", "class Bad(Thing):\n    name = 'good'\n", r"its class says name 'good', expected the "
     r"entry point's$"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "entry", "code", "said"), ERRORS)
def test_what_cannot_be_used_is_said_in_one_line(things, tmp_path, monkeypatch, name, entry, code, said):
    if entry:
        plugin(tmp_path, monkeypatch, "toy-bad", entry, code)
    with pytest.raises(RegistryError, match=said):
        things.find(name)


def test_a_broken_package_hinders_nobody_who_does_not_name_it(things, tmp_path, monkeypatch):
    plugin(tmp_path, monkeypatch, "toy-bad", "bad = toy_bad:Bad", "import lacking_module\n")
    assert things.find("plain").__name__ == "Plain"
    assert things.names() == ["bad", "plain", "two-words"]
    with pytest.raises(RegistryError, match="did you mean"):
        things.find("plaim")


def test_two_packages_of_one_name(things, tmp_path, monkeypatch):
    for name in ("toy-one", "toy-two"):
        module = name.replace("-", "_")
        plugin(tmp_path, monkeypatch, name, f"same = {module}:Same", "class Same(Thing):\n    name = 'same'\n")
    with pytest.raises(RegistryError, match=r"there are 2 things called 'same': toy-(one|two) 1\.2 and toy-(one|two)"):
        things.find("same")


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("", "no thing"),
        ("class One(Thing):\n    name = 'other'\n", "'other'"),
        ("class One(Thing):\n    name = 'broken'\nclass Two(Thing):\n    name = 'two'\n", "'broken' and 'two'"),
    ],
)
def test_a_file_of_the_folder_holds_one_thing_of_its_own_name(things, tmp_path, code, found):
    (tmp_path / "own" / "toy_things" / "broken.py").write_text(HEAD + code)
    with pytest.raises(RegistryError, match=rf"^toy_things\.broken: found {found}, expected one Thing"):
        things.find("broken")


def test_the_command_line_starts_without_any_of_them():
    code = (
        "import sys, softalign.app; "
        "print([name for name in sys.modules if name in ('torch', 'polars', 'pydantic', 'importlib.metadata')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
