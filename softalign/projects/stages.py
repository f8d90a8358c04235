"""Which stages there are: as dvc.yaml has them in order, and as their files in `stages` say of themselves."""

from __future__ import annotations

import re
from pathlib import Path

import stages

TEMPLATES = Path(__file__).parents[1] / "templates"
STAGE_FILE = TEMPLATES / "stages.yaml"
"""The repository's dvc.yaml (a template of that name would be a pipeline to DVC)."""


def stage_names() -> list[str]:
    """The stages in the order in which they run."""
    _, _, text = STAGE_FILE.read_text(encoding="utf-8").partition("\nstages:\n")
    return re.findall(r"^  (\w+):$", text, re.MULTILINE)  # YAML would cost a tenth of a second, in every --help


def stage_help() -> dict[str, str]:
    """What each stage does: the first line of its file."""
    folder = Path(stages.__path__[0])
    return {name: _first_line(folder / f"{name}.py") for name in stage_names()}


def _first_line(file: Path) -> str:
    with file.open(encoding="utf-8") as opened:
        return opened.readline().strip().strip('"')
