"""``softalign inspect``: what is in an artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from softalign.interface.options import command


@command
def inspect(
    path: Annotated[Path, Argument(help="A file or folder that a stage wrote, or a folder of such.")],
    rows: Annotated[int, Option(min=1, help="How many samples of each kind.")] = 5,
    query: Annotated[str | None, Option(help="Only rows whose text holds this, whatever its case.")] = None,
) -> None:
    """Look into an artifact: what made it, rows, size, schema, and samples in words."""
    from softalign.projects.inspect import inspect_command

    inspect_command(path, rows, query)
