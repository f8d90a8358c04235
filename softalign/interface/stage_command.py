"""The command of a stage that has no options of its own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from softalign.interface.options import ProjectOption, command
from softalign.projects.stages import stage_help


def stage_command(name: str) -> Callable[..., None]:
    """The command that runs a stage as it is."""

    def run(project: ProjectOption = Path()) -> None:
        from stages.running.command import run_in_project

        run_in_project(name, importlib.import_module(f"stages.{name}").run, project)

    run.__doc__ = f"{stage_help()[name]}\n\nOne stage, outside DVC; `dvc repro` runs what has changed."
    return command(run)
