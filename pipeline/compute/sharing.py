"""What a worker needs to find: the folder that paths are relative to, and the folders that all share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pipeline.compute.work import Work
from pipeline.compute.worker import Assignment
from pipeline.ground.atomic import scratch_folder

MARKER = "here"


@contextmanager
def assigned(work: Work[Any, Any, Any], shared: Sequence[Path]) -> Iterator[Assignment]:
    """The assignment of a work's workers; while the block runs, each shared folder holds a marker that they look for."""
    with ExitStack() as stack:
        markers = []
        for folder in shared:
            marker = stack.enter_context(scratch_folder(folder.resolve(), "workers")) / MARKER
            marker.touch()
            markers.append(str(marker))
        yield Assignment(work, str(Path.cwd()), tuple(markers))
