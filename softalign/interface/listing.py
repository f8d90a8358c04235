"""Which commands there are, and what each is for, told from their files: importing them would take longer."""

from __future__ import annotations

from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap

from softalign import commands
from softalign.projects.stages import stage_help, stage_names

ABOUT = "Train a multilingual sentence encoder by soft alignment to a teacher, and mine translation pairs with it."
OPTIONS = {
    "--install-completion": "Install completion for the current shell.",
    "--show-completion": "Show completion for the current shell, to copy it or customize the installation.",
    "-h, --help": "Show this message and exit.",
}
MOST_COLUMNS = 120
"""The widest that help is written."""


def command_names() -> list[str]:
    """The stages in the order in which they run, then the other commands."""
    return list(dict.fromkeys([*stage_names(), *(path.stem for path in _files())]))


def command_help() -> dict[str, str]:
    """The first line of every command's help: what its function says first, or of a stage without one its file."""
    return stage_help() | {path.stem: _first_line(path) for path in _files()}


def command_file(name: str) -> Path:
    """Where a command is defined; a stage that is a command as it is has no such file."""
    return Path(commands.__path__[0]) / f"{name}.py"


def overview() -> str:
    """What ``softalign --help`` says, as wide as the terminal."""
    width = max(min(get_terminal_size().columns, MOST_COLUMNS) - 2, 50)
    stages, rows = stage_names(), command_help()
    sections = {
        "Options": OPTIONS,
        "Stages": {name: rows[name] for name in stages},
        "Commands": {name: text for name, text in rows.items() if name not in stages},
    }
    lines = ["Usage: softalign [OPTIONS] COMMAND [ARGS]...", "", *_wrapped("  ", "  ", ABOUT, width)]
    for heading, entries in sections.items():
        lines += ["", f"{heading}:"]
        margin = max(map(len, entries)) + 4
        for name, text in entries.items():
            lines += _wrapped(f"  {name}".ljust(margin), " " * margin, text, width)
    return "\n".join(lines) + "\n"


def _files() -> list[Path]:
    return sorted(command_file("").parent.glob("[a-z]*.py"))


def _first_line(file: Path) -> str:
    _, _, function = file.read_text(encoding="utf-8").partition(f"\ndef {file.stem}(")
    return function.partition('"""')[2].partition("\n")[0].removesuffix('"""')


def _wrapped(first: str, others: str, text: str, width: int) -> list[str]:
    return wrap(text, width, initial_indent=first, subsequent_indent=others)
