"""Stages in forks of one process that has imported everything: importing torch for each would take most of a test's time.

The process is a program of its own: forks of a test's process, in which libraries have started threads, may hang.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Done:
    """A stage that has ended.

    Attributes:
        code: its exit code; negative: the signal that ended it.
        said: the lines on standard error.
    """

    code: int
    said: list[str]


class Warm:
    """Runs stages; a context manager."""

    def __enter__(self) -> Warm:
        from kills import SETTINGS

        environment = {**os.environ, **SETTINGS, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])}
        environment.pop("SOFTALIGN_STORE", None)
        self._process = subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=-1, stdout=-1, text=True, bufsize=1
        )
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.communicate()

    def stage(
        self, folder: Path, name: str, *, open_files: int | None = None, user: int | None = None, hungry: bool = False
    ) -> Done:
        """Run ``python -m stages.<name>``.

        Args:
            folder: the project.
            name: the stage's.
            open_files: how many it may have.
            user: who runs it.
            hungry: whether a training step finds 64 MB of memory, and wants more.
        """
        wanted = {"folder": str(folder), "name": name, "open_files": open_files, "user": user, "hungry": hungry}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(wanted) + "\n")
        answer = json.loads(self._process.stdout.readline())
        return Done(answer["code"], answer["said"])


def _serve() -> None:
    from kills import warm_up

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else is printed is no answer
    warm_up()
    for line in sys.stdin:
        wanted = json.loads(line)
        with tempfile.TemporaryFile("w+") as printed:
            pid = os.fork()
            if pid == 0:
                _run(wanted, printed.fileno())
            _, status = os.waitpid(pid, 0)
            printed.seek(0)
            answer = {"code": os.waitstatus_to_exitcode(status), "said": printed.read().splitlines()}
        answers.write(json.dumps(answer) + "\n")


def _run(wanted: dict[str, Any], printed: int) -> None:
    """The fork: never returns."""
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    code = 1
    try:
        os.chdir(wanted["folder"])
        if wanted["open_files"] is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted["open_files"], wanted["open_files"]))
        if wanted["user"] is not None:
            _run_module(wanted["name"])  # loads what the other user might not be allowed to read
            os.setgroups([])
            os.setgid(wanted["user"])
            os.setuid(wanted["user"])
        if wanted["hungry"]:
            _make_hungry()
        code = _run_module(wanted["name"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run_module(name: str) -> int:
    sys.argv = [name]
    sys.modules.pop(f"stages.{name}", None)
    try:
        runpy.run_module(f"stages.{name}", run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _make_hungry() -> None:
    import torch

    from pipeline.training.step import Steps

    take = Steps.take

    def hungry(self: Steps, progress: Any) -> Any:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, resource.RLIM_INFINITY))
        assert torch.ones(2**26).sum() > 0  # 256 MB
        return take(self, progress)

    Steps.take = hungry  # type: ignore[method-assign]


if __name__ == "__main__":
    _serve()
