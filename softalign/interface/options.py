"""Commands whose options are objects: what several commands share is declared once, as a dataclass, and arrives as one.

typer reads a function's signature, and every option has to be a parameter there. `command` writes that signature: a parameter
whose type is a dataclass stands for an option for each of its fields (of a field that is a dataclass again, for each of
its own). What a field means stands in its option's ``help``, once, for whoever reads the code as for whoever asks.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import MISSING, dataclass, fields, is_dataclass
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, TypeVar, dataclass_transform, get_args, get_type_hints

import typer
from typer.core import TyperCommand

Kind = TypeVar("Kind")

ProjectOption = Annotated[Path, typer.Option("--project", help="The folder that holds params.yaml.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show a traceback with every error.")]


@dataclass_transform(kw_only_default=True, frozen_default=True)
def options(panel: str) -> Callable[[type[Kind]], type[Kind]]:
    """Make a class a frozen dataclass of options.

    Args:
        panel: the heading under which ``--help`` lists them.
    """

    def made(kind: type[Kind]) -> type[Kind]:
        kind.PANEL = panel  # type: ignore[attr-defined]
        return dataclass(frozen=True, kw_only=True, repr=False)(kind)  # a --help waits for each method that is made

    return made


def command(body: Callable[..., None]) -> Callable[..., None]:
    """Make a function a command for typer: its dataclasses become options, and its errors one line on standard error.

    Every command has ``--debug`` besides, with which an error shows a traceback.

    Args:
        body: the function; all of its parameters are annotated, and the annotations can be resolved at run time.

    Raises:
        ValueError: if two of its options have the same name.
    """
    hints = get_type_hints(body, include_extras=True)
    taken = inspect.signature(body).parameters.values()
    params = [each for one in taken for each in _params(one.name, hints[one.name], one.default)]
    params.append(Parameter("debug", Parameter.KEYWORD_ONLY, default=False, annotation=DebugOption))

    def run(*, debug: bool, **values: Any) -> None:
        from stages.running.command import reported_errors

        with reported_errors(debug):
            body(**{one.name: _value(one.name, hints[one.name], values) for one in taken})

    run.__name__, run.__doc__, run.__module__ = body.__name__, body.__doc__, body.__module__
    run.__annotations__ = {param.name: param.annotation for param in params}
    run.__signature__ = inspect.Signature(params)  # type: ignore[attr-defined]
    return run


def _params(name: str, hint: Any, default: Any, panel: str | None = None) -> Iterator[Parameter]:
    """The parameters that typer sees for one of a command's."""
    if not is_dataclass(hint):
        if panel is not None:
            kind, option = get_args(hint)
            option = copy(option)
            option.rich_help_panel = option.rich_help_panel or panel
            hint = Annotated[kind, option]
        yield Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=hint)
        return
    hints = get_type_hints(hint, include_extras=True)
    for field in fields(hint):
        own = Parameter.empty if field.default is MISSING else field.default
        yield from _params(field.name, hints[field.name], own, getattr(hint, "PANEL", panel))


def _value(name: str, hint: Any, values: Mapping[str, Any]) -> Any:
    """What a command's parameter gets: an option's value, or a dataclass of such."""
    if not is_dataclass(hint) or not isinstance(hint, type):
        return values[name]
    hints = get_type_hints(hint, include_extras=True)
    return hint(**{field.name: _value(field.name, hints[field.name], values) for field in fields(hint)})


class PanelCommand(TyperCommand):
    """A command whose plain help lists options under the headings of their dataclasses (typer does so with Rich alone)."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections, in the order in which their first options stand."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if (record := param.get_help_record(ctx)) is not None:
                other = "Arguments" if param.param_type_name == "argument" else "Options"
                sections.setdefault(getattr(param, "rich_help_panel", None) or other, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def given(ctx: typer.Context) -> list[str]:
    """The options that stand on the command line as they are spelled (``--src``), in the order of the help."""
    params = [(str(param.name), param.opts[0]) for param in ctx.command.params]
    return [flag for name, flag in params if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"]


def runs_stage(ctx: typer.Context, stage: frozenset[str], says: str, alone: str) -> bool:
    """Whether a command that is a stage, and works by itself too, is to be the stage: none of its other options is given.

    Args:
        ctx: the command's context.
        stage: the stage's own options (``--pair``).
        says: what these do, for a message ("runs the stage").
        alone: what the others do ("mines files").

    Raises:
        UserError: if options of both are given.
    """
    from pipeline.console.errors import UserError

    found = [flag for flag in given(ctx) if flag != "--debug"]
    own, others = [flag for flag in found if flag in stage], [flag for flag in found if flag not in stage]
    if own and others:
        raise UserError(f"{own[0]} {says} and {others[0]} {alone}; give one or the other")
    return not others
