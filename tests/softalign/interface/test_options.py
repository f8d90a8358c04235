"""Objects of options: what typer sees of them, and what a command gets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer import Option
from typer.testing import CliRunner

from pipeline.console.errors import UserError
from softalign.interface.options import PanelCommand, command, given, options, runs_stage

GOT: list[object] = []


@options("Reading")
class Form:
    """How."""

    encoding: Annotated[str, Option(help="Of text files.")] = "utf-8"
    columns: Annotated[list[int] | None, Option("--column", help="Which.")] = None


@options("Text")
class Text:
    """What, and how."""

    src: Annotated[Path, Option(help="Text.")]
    form: Form
    seed: Annotated[int, Option(min=0, help="Drawn.", rich_help_panel="Drawing")] = 3


@options("Text")
class Longer(Form):
    """More of the same kind."""

    strict: Annotated[bool, Option("--strict", help="Refuse.")] = False


def app_of(body: object) -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None)
    app.command("do", cls=PanelCommand)(command(body))  # type: ignore[arg-type]
    return app


def do(text: Text, out: Annotated[str, Option(help="Where to.")] = "here") -> None:
    """Do it."""
    GOT[:] = [text, out]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--src", "a"], [Text(src=Path("a"), form=Form()), "here"]),
        (
            ["--src", "a", "--encoding", "ascii", "--column", "1", "--column", "2", "--seed", "0", "--out", "o"],
            [Text(src=Path("a"), form=Form(encoding="ascii", columns=[1, 2]), seed=0), "o"],
        ),
    ],
)
def test_options_arrive_as_the_objects_that_declare_them(words: list[str], expected: list[object]):
    done = CliRunner().invoke(app_of(do), words)
    assert done.exit_code == 0, done.output
    assert expected == GOT


@pytest.mark.parametrize(("words", "said"), [([], "Missing option"), (["--src", "a", "--seed", "-1"], "--seed")])
def test_typer_checks_them_as_any_others(words: list[str], said: str):
    done = CliRunner().invoke(app_of(do), words)
    assert done.exit_code == 2
    assert said in done.output


def test_help_lists_them_under_their_headings():
    lines = CliRunner().invoke(app_of(do), ["--help"]).output.splitlines()
    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Text:", "Reading:", "Drawing:", "Options:"]
    place = {
        word: next(at for at, line in enumerate(lines) if f"--{word}" in line) for word in ("src", "column", "seed")
    }
    assert lines.index("Text:") < place["src"] < lines.index("Reading:") < place["column"]
    assert lines.index("Drawing:") < place["seed"] < lines.index("Options:")


def test_what_is_inherited_is_an_option_too():
    def longer(form: Longer) -> None:
        GOT[:] = [form]

    assert CliRunner().invoke(app_of(longer), ["--strict", "--encoding", "x"]).exit_code == 0
    assert [Longer(encoding="x", strict=True)] == GOT


def test_a_name_stands_for_one_option():
    def twice(text: Text, seed: Annotated[int, Option(help="Again.")] = 0) -> None: ...

    with pytest.raises(ValueError, match="duplicate parameter name: 'seed'"):
        command(twice)


def test_errors_are_one_line_and_a_traceback_on_request():
    def fails(text: Text) -> None:
        raise UserError(f"--src: found {text.src}; expected another")

    done = CliRunner().invoke(app_of(fails), ["--src", "a"])
    assert (done.exit_code, done.stderr) == (1, "softalign: error: --src: found a; expected another\n")
    assert isinstance(CliRunner().invoke(app_of(fails), ["--src", "a", "--debug"]).exception, UserError)


@pytest.mark.parametrize(
    ("words", "stage", "flags"),
    [
        ([], True, []),
        (["--debug"], True, ["--debug"]),
        (["--pair", "x"], True, ["--pair"]),
        (["--src", "a"], False, ["--src"]),
        (["--pair", "x", "--src", "a"], None, ["--pair", "--src"]),
    ],
)
def test_a_command_that_is_a_stage_too(words: list[str], stage: bool | None, flags: list[str]):
    def either(
        ctx: typer.Context, pair: Annotated[str, Option(help="P.")] = "", src: Annotated[str, Option(help="S.")] = ""
    ) -> None:
        GOT[:] = [given(ctx)]
        GOT.append(runs_stage(ctx, frozenset({"--pair"}), "runs the stage", "mines files"))

    done = CliRunner().invoke(app_of(either), words)
    assert GOT[0] == flags
    if stage is None:
        assert done.stderr == "softalign: error: --pair runs the stage and --src mines files; give one or the other\n"
    else:
        assert GOT[1] is stage
