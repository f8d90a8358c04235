"""The commands as an application of typer's: every stage alone, and what looks at and manages a project.

A command is a file of its name in `softalign.commands`, imported when it is called; what takes long to import, it imports
when it runs. A stage without such a file is a command as it is. So ``--help`` answers at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from softalign import commands
from softalign.interface.listing import MOST_COLUMNS, command_file, command_names, overview
from softalign.interface.options import PanelCommand
from softalign.interface.stage_command import stage_command


class CommandFiles(Mapping[str, Any]):
    """Every command by its name, imported and made by typer when it is asked for: stages as they run, then the others."""

    def __getitem__(self, name: str) -> Any:
        if name not in command_names():
            raise KeyError(name)
        made = typer.Typer(rich_markup_mode=None)
        if not command_file(name).is_file():
            made.command(name, cls=PanelCommand)(stage_command(name))
            return get_group(made).commands[name]
        module = importlib.import_module(f"{commands.__name__}.{name}")
        if isinstance(several := getattr(module, "app", None), typer.Typer):
            made.add_typer(several, name=name, cls=CommandGroup)
        else:
            made.command(name, cls=PanelCommand)(getattr(module, name))
        return get_group(made).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(command_names())

    def __len__(self) -> int:
        return len(command_names())


class CommandGroup(TyperGroup):
    """A group that looks at its own options only where no command is named.

    typer imports pydantic for every option that a call leaves out, and so for the group's ``--help`` in every command's.
    """

    _named = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the first word that is no option as a command's name, and what follows as that command's."""
        self._named = bool(args) and not args[0].startswith("-")
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """Its own options."""
        return [] if self._named else [*super().get_params(ctx)]


class CommandFolder(CommandGroup):
    """A group of these commands, whose help lists them without importing any."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = CommandFiles()  # type: ignore[assignment]

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return command_names()

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write what `softalign.cli` writes without typer."""
        formatter.write(overview())


app = typer.Typer(
    cls=CommandFolder,
    callback=lambda: None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: Rich and its Markdown would take longer than all else
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": MOST_COLUMNS},
)
