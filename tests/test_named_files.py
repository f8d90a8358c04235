"""What documents, docstrings and comments name in backquotes, a file or a module of ours, is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from imports import ROOT

from pipeline.config.evaluate import BENCHMARKS
from pipeline.config.prepare import FORMATS
from pipeline.config.train import LossTerm
from pipeline.search.search import BACKENDS

PAGES = [ROOT / "README.md", ROOT / "bench" / "README.md", ROOT / "data" / "README.md", *(ROOT / "docs").glob("*.md")]
SOURCES = [file for top in ("pipeline", "stages", "softalign", "bench", "tests") for file in (ROOT / top).rglob("*.py")]
FILE = re.compile(r"`((?:pipeline|stages|softalign|bench|tests|docs|params)/[\w./-]*\w)")
NAME = re.compile(r"`~?((?:pipeline|stages|softalign)(?:\.\w+)+)`")
MADE = {"bench/results"}
"""Named, and made when it is needed."""
NO_MODULES = {"softalign.json"} | {things.group for things in (LossTerm.things, FORMATS, BENCHMARKS, BACKENDS)}
"""A file, and the groups of entry points."""


def is_there(dotted: str) -> bool:
    """Whether a dotted name is a package, a module, or something that a module has in it."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        folder = ROOT.joinpath(*parts[:count])
        if folder.is_dir() and count == len(parts):
            return True
        file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        if file.is_file():
            within = parts[count : count + 1]
            return not within or re.search(rf"\b{within[0]}\b", file.read_text(encoding="utf-8")) is not None
    return False


@pytest.mark.parametrize("file", sorted([*PAGES, *SOURCES]), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_named_files_and_modules_are_there(file: Path):
    text = file.read_text(encoding="utf-8")
    files = {name for name in FILE.findall(text) if name not in MADE and not (ROOT / name).exists()}
    names = {name for name in NAME.findall(text) if name not in NO_MODULES and not is_there(name)}
    assert not files | names, f"{file.relative_to(ROOT)} names what isn't there"


def test_what_is_not_there_is_seen():
    assert is_there("pipeline.search") and is_there("pipeline.search.best") and is_there("pipeline.search.best.Best")
    assert not is_there("pipeline.preparing") and not is_there("pipeline.search.best.Worst")
    files = ["pipeline/gone", "docs/mining.md"]
    assert FILE.findall(" and ".join(f"`{name}#here`" for name in files)) == files
