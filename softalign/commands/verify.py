"""``softalign verify``: look through all that a project keeps, and clear away what is damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from softalign.interface.options import command


@command
def verify(
    path: Annotated[Path, Argument(help="A project; or a file or folder that a stage wrote.")] = Path(),
    repair: Annotated[
        bool, Option("--repair", help="Remove what is wrong, also from DVC's cache, so that a rerun makes it again.")
    ] = False,
) -> None:
    """Check every artifact, the store and DVC's record of them for what is damaged, missing, misplaced or stale."""
    from softalign.projects.verify import verify_command

    verify_command(path, repair)
