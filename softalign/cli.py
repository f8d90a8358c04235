"""``softalign``: the command line."""

from __future__ import annotations

import signal
import sys

from pipeline.console.streams import show_what_can_be_shown


def main() -> None:
    """Run the command line; its own help needs none of the commands, nor typer, whose import takes longer than all else."""
    show_what_can_be_shown()
    if sys.argv[1:] in (["-h"], ["--help"]):
        from softalign.interface.listing import overview

        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # whoever reads it may stop in the middle
        sys.stdout.write(overview())
    else:
        from softalign.app import app

        app(prog_name="softalign")
