"""Errors that a user can act on.

Whatever is wrong with what a user gave us (a file, a parameter, a model) is raised as `UserError`; the command line prints
its one line and exits with its code. Any other exception is a defect of softalign and keeps its traceback.
"""

from __future__ import annotations

from pathlib import Path


class UserError(Exception):
    """One clear line: where it went wrong, what was found, what was expected.

    Attributes:
        exit_code: the process' exit code when the error reaches the command line.
    """

    exit_code = 1


class ParamsError(UserError):
    """A parameter file that can't be used; the message names the key."""

    exit_code = 2


class InputError(UserError):
    """A file that can't be used.

    Args:
        path: the file, as the user named it.
        problem: what was found and what was expected.
        line: the line (1-based) where it was found, if that can be told.
    """

    def __init__(self, path: Path | str, problem: str, line: int | None = None) -> None:
        self.path, self.problem, self.line = str(path), problem, line
        where = self.path if line is None else f"{self.path}:{line}"
        super().__init__(f"{where}: {problem}")


class ArtifactError(InputError):
    """An artifact of an earlier stage is missing, damaged, or not what its metadata promises."""
