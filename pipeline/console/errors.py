"""Errors that a user can act on.

Whatever is wrong with what a user gave us (a file, a parameter, a model) is raised as `UserError`; the command line prints
its one line and exits with its code. Any other exception is a defect of softalign and keeps its traceback.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.console.plain_text import clip, visible

LINE_CHARS = 1_500
"""Characters of one line of a message: what was found may be as long as the file."""


class UserError(Exception):
    """One clear line: where it went wrong, what was found, what was expected.

    What stands in a message may come from a hostile file: it is cut, and what would steer a terminal is escaped.

    Attributes:
        exit_code: the process' exit code when the error reaches the command line.
    """

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__("\n".join(visible(clip(line, LINE_CHARS)) for line in message.split("\n")))

    def __reduce__(self) -> tuple[Any, ...]:
        # Other processes raise it too, and a subclass' __init__ need not take what was made of its arguments: without it.
        return type(self).__new__, (type(self), *self.args), self.__dict__


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, for a message; its class' name if it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class ParamsError(UserError):
    """A parameter file that can't be used; the message names the key."""

    exit_code = 2


class InputError(UserError):
    """A file that can't be used.

    Args:
        path: the file, in the user's words.
        problem: what was found and what was expected.
        line: the line (1-based) where the problem was found, if that can be told.
    """

    def __init__(self, path: Path | str, problem: str, line: int | None = None) -> None:
        self.path, self.problem, self.line = str(path), problem, line
        where = self.path if line is None else f"{self.path}:{line}"
        super().__init__(f"{where}: {problem}".replace("\n", "\\n"))


class ArtifactError(InputError):
    """An artifact of an earlier stage is missing, damaged, or not what its metadata promises."""


class DamagedError(ArtifactError):
    """A file whose bytes are not those that were written: a flipped bit, a cut, an overwritten part."""


class VersionError(ArtifactError):
    """A file that another version of softalign wrote, in a form that this one doesn't read."""
