"""Progress on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Task as RichTask
from rich.text import Text


class _Rate(ProgressColumn):
    def render(self, task: RichTask) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {task.fields['unit']}/s", style="progress.data.speed")


@contextmanager
def bar(label: str, total: int, unit: str) -> Iterator[Callable[..., None]]:
    """A bar with rate and time left; yields what counts units as done (`pipeline.console.progress.Advance`)."""
    text, note_text = TextColumn("{task.description}"), TextColumn("{task.fields[note]}")
    columns = (text, BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(), note_text)
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(label, total=total, unit=unit, note="")

        def advance(count: int = 1, /, note: str = "") -> None:
            shown.update(task, advance=count, note=note)

        yield advance
