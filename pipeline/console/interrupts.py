"""Being asked to stop: Ctrl-C, SIGTERM and SIGHUP are one exception, raised at once or when a step has ended.

An exception, and not the end of the process that the system would make of it: what is half written is removed on the way out.
A signal that whoever started us lets be ignored (``nohup``) stays ignored.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""From the keyboard, from the system or a scheduler, and from a terminal that was closed."""


class Interrupted(KeyboardInterrupt):
    """The process was asked to stop.

    Args:
        number: the signal's number.
        note: what was done about the signal, for the user.
    """

    def __init__(self, number: int, note: str = "") -> None:
        self.number, self.note = number, note
        super().__init__(f"{signal.Signals(number).name}{note}")

    @property
    def exit_code(self) -> int:
        """By convention 128 and the signal's number: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.number


@dataclass
class StopRequest:
    """Whether a stop was asked for."""

    number: int | None = None  # the signal that asked; None before


@contextmanager
def raised_interrupts() -> Iterator[None]:
    """Inside, a signal that asks for a stop raises `Interrupted` wherever the program is."""

    def stop(number: int) -> None:
        raise Interrupted(number)

    with _handled(stop):
        yield


@contextmanager
def noted_interrupts() -> Iterator[StopRequest]:
    """Inside, a first signal is only noted, for the work to look at when it can stop well; a second one raises."""
    request = StopRequest()

    def note(number: int) -> None:
        if request.number is not None:
            raise Interrupted(number)
        request.number = number

    with _handled(note):
        yield request


@contextmanager
def _handled(act: Callable[[int], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield
        return
    owner = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:
            act(number)
            return
        signal.signal(number, signal.SIG_DFL)  # a forked worker just ends: its parent is told, too
        os.kill(os.getpid(), number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    changed = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in changed:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, before[number])
