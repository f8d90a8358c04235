"""The rooms of the code and what they may import: docs/architecture.md, held to the real imports."""

import ast
import re
from pathlib import Path

import pytest
from imports import ROOT, imported, module_file

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FILES = sorted(path for top in ("pipeline", "stages", "softalign") for path in (ROOT / top).rglob("*.py"))


def rooms_of_the_page() -> list[str]:
    """The rooms as the page lists them, from the ground up."""
    return re.findall(r"^\| `([a-z./]+)` \|", PAGE, re.MULTILINE)


def room_of(file: Path) -> str:
    parts = file.relative_to(ROOT).parts
    if parts[0] == "pipeline" and len(parts) > 2:
        return "/".join(parts[:2])
    if parts[0] == "stages" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0]


def test_the_page_lists_every_room_and_no_other():
    real = {room_of(file) for file in FILES if file.parent != ROOT / "pipeline"}
    assert sorted(rooms_of_the_page()) == sorted(real)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_room_imports_only_from_rooms_below(file: Path):
    order = {room: number for number, room in enumerate(rooms_of_the_page())}
    own = order.get(room_of(file), len(order))
    for name in imported(file):
        found = module_file(name)
        if found is None or found == ROOT / "pipeline" / "__init__.py" or found == ROOT / "stages" / "__init__.py":
            continue
        assert order[room_of(found)] <= own, f"{file.relative_to(ROOT)} imports {name} from a room above its own"


def test_no_module_lies_loose_in_the_library():
    assert [path.name for path in (ROOT / "pipeline").glob("*.py")] == ["__init__.py"]


def test_the_library_knows_nothing_of_stages_commands_or_dvc():
    for file in (ROOT / "pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {name.split(".")[0] for name in names} & {"stages", "softalign", "dvc", "dvclive"}, file


def test_modules_do_not_import_each_other_in_a_circle():
    graph = {file: {found for name in imported(file) if (found := module_file(name))} - {file} for file in FILES}
    done: set[Path] = set()

    def visit(file: Path, above: tuple[Path, ...]) -> None:
        assert file not in above, " → ".join(str(one.relative_to(ROOT)) for one in (*above, file))
        if file not in done:
            for other in sorted(graph.get(file, ())):
                if other.name != "__init__.py":
                    visit(other, (*above, file))
            done.add(file)

    for file in FILES:
        if file.name != "__init__.py":
            visit(file, ())
