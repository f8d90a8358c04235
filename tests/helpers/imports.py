"""Which of the project's own files a module imports, directly or not, at its head or inside functions."""

from __future__ import annotations

import ast
from collections.abc import Collection
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = ("pipeline", "stages", "softalign")


def import_closure(module: str, ends: Collection[str] = ()) -> list[str]:
    """The files that a module and all that it imports lie in, relative to the repository, sorted.

    Args:
        module: its dotted name.
        ends: modules whose own imports are not followed.
    """
    files: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = module_file(name)
        if path is None or name in files:
            continue
        files[name] = path
        if name not in ends:
            waiting.extend(imported(path))
            waiting.extend(_parents(name))
    return sorted(path.relative_to(ROOT).as_posix() for path in set(files.values()))


def module_file(name: str) -> Path | None:
    """The file of one of the project's modules or packages; None for any other name."""
    base = ROOT.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


@cache
def imported(path: Path) -> list[str]:
    """What a file imports of the project, as dotted names (modules, and names inside them)."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            # `from package import name` may name a module or something inside one: both are tried.
            found.extend([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError(f"{path}: relative import; this project writes them in full")
    return [name for name in found if name.split(".")[0] in OWN]
