"""``softalign init``: a project of one's own, from two plain text files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from softalign.interface.options import command


@command
def init(
    folder: Annotated[Path, Argument(metavar="DIR", help="The project's folder; it may exist.")],
    src: Annotated[Path, Option(help="Text in the first language, a sentence a line.")],
    trg: Annotated[Path, Option(help="Its translation, line by line.")],
    languages: Annotated[str, Option(help="Both languages; the first gives the labels (en,fr).")],
    dvc: Annotated[bool, Option("--dvc", help="Run `dvc init` too.")] = False,
) -> None:
    """Write params.yaml and dvc.yaml for two aligned text files of your own; nothing is overwritten."""
    from softalign.projects.init import init_command

    init_command(folder, src, trg, languages, dvc)
