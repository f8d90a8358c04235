"""Installed packages of a user's own, as folders on sys.path: a module, and what pip writes of its entry points."""

import importlib
import sys
from pathlib import Path
from textwrap import dedent

import pytest


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, entries: dict[str, str], code: str) -> Path:
    """Install a distribution for the length of a test (processes that it starts have it too).

    Args:
        folder: where to; several may share one.
        monkeypatch: pytest's.
        name: of the distribution; with ``_`` for ``-``, of its module.
        entries: of each entry point's group, ``name = module:Class``.
        code: of the module.

    Returns: the module's file.
    """
    module = folder / f"{name.replace('-', '_')}.py"
    information = folder / f"{module.stem}-1.2.dist-info"
    information.mkdir(parents=True)
    module.write_text(dedent(code), encoding="utf-8")
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", encoding="utf-8")
    lines = [line for group, entry in entries.items() for line in (f"[{group}]", entry)]
    (information / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if str(folder) not in sys.path:
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    monkeypatch.delitem(sys.modules, module.stem, raising=False)
    importlib.invalidate_caches()
    return module
