"""``softalign experiments``: the experiments of a repository as a table and its plots."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from softalign.interface.options import ProjectOption, command


@command
def experiments(
    metric: Annotated[
        list[str] | None, Option(help="A metric: its full name, its unique last part, or a pattern with *.")
    ] = None,
    group_by: Annotated[
        list[str] | None, Option(help="A parameter in which runs of one row may differ.  [default: seed]")
    ] = None,
    out: Annotated[
        list[Path] | None, Option(help="A .html, .md or .svg file.  [default: reports/experiments.html]")
    ] = None,
    csv: Annotated[Path | None, Option(help="Write every run as a row of numbers.")] = None,
    all_commits: Annotated[bool, Option("--all-commits", help="Those of other commits too.")] = False,
    project: ProjectOption = Path(),
) -> None:
    """Compare DVC experiments: mean and spread over seeds by what they vary, as a table and plots."""
    from softalign.projects.experiments import experiments_command

    experiments_command(project, metric or [], group_by or [], out or [], csv, all_commits)
