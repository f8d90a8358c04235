"""``softalign prepare``: the stage, or what would become of the first units of each corpus (``--dry-run``)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from softalign.interface.options import ProjectOption, command


@command
def prepare(
    project: ProjectOption = Path(),
    dry_run: Annotated[
        int | None, Option(min=1, metavar="N", help="Only say what would become of each corpus' first N units.")
    ] = None,
) -> None:
    """Read the corpora, clean them, split off held-out documents; or say what would become of them.

    The stage, outside DVC; `dvc repro` runs what has changed.
    """
    if dry_run is None:
        from stages.prepare import run
        from stages.running.command import run_in_project

        run_in_project("prepare", run, project)
        return
    from softalign.projects.dry_run import dry_run_command

    dry_run_command(project, dry_run)
