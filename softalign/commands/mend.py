"""``softalign mend``: what a killed DVC left half-written, and would refuse to run with."""

from __future__ import annotations

from pathlib import Path

from softalign.interface.options import ProjectOption, command


@command
def mend(project: ProjectOption = Path()) -> None:
    """Delete what a killed DVC left half-written and can't run with; nothing while a DVC runs."""
    from softalign.projects.mend import mend_command

    mend_command(project)
