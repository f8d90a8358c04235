"""What is wrong with one file or folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.console.errors import InputError


@dataclass(frozen=True)
class Defect:
    """Something wrong that a rerun can put right once it is out of the way."""

    path: Path  # the file (or folder) to remove
    problem: str  # what is wrong with it, in one line

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def defect_of(error: InputError) -> Defect:
    """The defect that an error is about; what its message says to do is left to `softalign verify`."""
    return Defect(Path(error.path), error.problem.partition(";")[0])
