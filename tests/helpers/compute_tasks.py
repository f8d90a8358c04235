"""Work for engines that tests make: functions of a module, so that workers find them by name. Imports nothing heavy."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from pipeline.compute.work import SetUp, Work
from pipeline.console.errors import InputError
from pipeline.ground.atomic import atomic_file


def ready(number: int) -> SetUp[int]:
    return SetUp(number, {"number": number})


def own_identity() -> SetUp[int]:
    return SetUp(0, {"content": os.getpid()})


def nowhere() -> SetUp[int]:
    raise InputError("models/teacher", "no such model")


def dies() -> SetUp[int]:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def power(state: int, item: int, advance) -> tuple[int, int]:
    """The item to the state's power, and who computed it."""
    advance(item)
    return item**state, os.getpid()


def slow_power(state: int, item: int, advance) -> tuple[int, int]:
    time.sleep(0.05 * (item % 3))
    return power(state, item, advance)


def environment(state: int, item: str, advance) -> str | None:
    return os.environ.get(item)


def fails(state: int, item: int, advance) -> int:
    if item == 3:
        raise InputError("text.en", "is odd", line=7)
    return item


def breaks(state: int, item: int, advance) -> int:
    return 1 // item


class StrangeError(Exception):
    """Can't be copied: what its __init__ wants is not in its arguments."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("strange")


def strange(state: int, item: int, advance) -> int:
    raise StrangeError(1, 2)


def half_written_once(state: int, item: Path, advance) -> str:
    """Writes a file; the first time, its process is killed in the middle."""
    tried = item.with_suffix(".tried")
    with atomic_file(item) as temporary:
        temporary.write_text("half")
        advance(5)
        if not tried.exists():
            tried.touch()
            time.sleep(0.6)  # a progress message is due
            advance(1)
            os.kill(os.getpid(), signal.SIGKILL)
        temporary.write_text("whole")
    advance(5)
    return item.name


def always_dies(state: int, item: int, advance) -> int:
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def forever(state: int, item: Path, advance) -> None:
    item.write_text(str(os.getpid()))
    time.sleep(600)


def work(task: Any, set_up: Any = ready, *arguments: Any) -> Work[Any, Any, Any]:
    return Work("count", set_up, arguments or ((2,) if set_up is ready else ()), task)
