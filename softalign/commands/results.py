"""``softalign results``: what the last run reached and cost, in a few lines."""

from __future__ import annotations

from pathlib import Path

from softalign.interface.options import ProjectOption, command


@command
def results(project: ProjectOption = Path()) -> None:
    """Show the scores by language pair, the cost by stage, and where the report is."""
    from softalign.projects.results import results_command

    results_command(project)
