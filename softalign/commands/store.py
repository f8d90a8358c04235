"""``softalign store``: what the vector store holds, and clearing it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from softalign.interface.options import ProjectOption, command

app = typer.Typer(no_args_is_help=True)


@app.callback()
def store() -> None:
    """The vector store: what it holds, and clearing it."""


@app.command("list")
@command
def list_store(project: ProjectOption = Path()) -> None:
    """Show what the store holds of each encoder, and which mining indexes and converted models."""
    from softalign.projects.store import list_command

    list_command(project)


@app.command("prune")
@command
def prune(
    unused_days: Annotated[float, Option(min=0, help="Days in which nothing used it.")],
    yes: Annotated[bool, Option("--yes", help="Delete without asking.")] = False,
    project: ProjectOption = Path(),
) -> None:
    """Delete the vectors of encoders, mining indexes and converted models that nothing used for some days."""
    from softalign.projects.store import prune_command

    prune_command(project, unused_days, yes)
