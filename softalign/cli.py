"""The command line: every stage alone, and what looks at and manages a project.

Modules that cost start-up time are imported inside the commands that use them: ``softalign --help`` answers at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from pipeline.console.streams import show_what_can_be_shown
from softalign.commands.align import align
from softalign.commands.benchmarks import benchmarks_app
from softalign.commands.bucc import bucc_app
from softalign.commands.choices import choices
from softalign.commands.compare import compare
from softalign.commands.evaluate import evaluate
from softalign.commands.export import export
from softalign.commands.judge import judge_app
from softalign.commands.mine import mine
from softalign.commands.plan import plan
from softalign.commands.score import score
from softalign.interface.options import PanelCommand, ProjectOption, command
from softalign.projects.stages import stage_help

app = typer.Typer(
    help="Train a multilingual sentence encoder by soft alignment to a teacher, and mine translation pairs with it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: Rich and its Markdown are most of the time that --help would take
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
store_app = typer.Typer(help="The vector store: what it holds, and clearing it.", no_args_is_help=True)
app.add_typer(store_app, name="store")
app.add_typer(judge_app, name="judge")

STAGES = stage_help()
STAGE_HELP = "(One stage, outside DVC; `dvc repro` runs what has changed.)"
OWN_OPTIONS = ("prepare", "mine", "evaluate")
"""Stages with options of their own; the others are run as they are."""


def _stage_command(name: str) -> Callable[..., None]:
    @command
    def run(project: ProjectOption = Path()) -> None:
        _run_stage(name, project)

    return run


def _run_stage(name: str, project: Path) -> None:
    from stages.running.command import run_in_project

    run_in_project(name, importlib.import_module(f"stages.{name}").run, project)


@app.command("prepare", help=f"{STAGES['prepare']} {STAGE_HELP}")
@command
def _prepare(
    project: ProjectOption = Path(),
    dry_run: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only say what would become of each corpus' first N units.")
    ] = None,
) -> None:
    if dry_run is None:
        _run_stage("prepare", project)
        return
    from softalign.commands.dry_run import dry_run_command

    dry_run_command(project, dry_run)


for _name, _help in STAGES.items():
    if _name not in OWN_OPTIONS:
        app.command(_name, help=f"{_help} {STAGE_HELP}")(_stage_command(_name))


app.command("mine", cls=PanelCommand)(mine)
app.command("score", cls=PanelCommand)(score)
app.command("align", cls=PanelCommand)(align)
app.command("plan")(plan)
app.command("choices")(choices)
app.command("evaluate", cls=PanelCommand)(evaluate)
app.command("compare", cls=PanelCommand)(compare)
app.command("export", cls=PanelCommand)(export)
app.add_typer(benchmarks_app, name="benchmarks")
app.add_typer(bucc_app, name="bucc")


@app.command("inspect")
@command
def _inspect(
    path: Annotated[Path, typer.Argument(help="A file or folder that a stage wrote, or a folder of such.")],
    rows: Annotated[int, typer.Option(min=1, help="How many samples of each kind.")] = 5,
    query: Annotated[str | None, typer.Option(help="Only rows whose text holds this, whatever its case.")] = None,
) -> None:
    """Look into an artifact: what made it, rows, size, schema, and samples in words."""
    from softalign.commands.inspect import inspect_command

    inspect_command(path, rows, query)


@app.command("verify")
@command
def _verify(
    path: Annotated[Path, typer.Argument(help="A project; or a file or folder that a stage wrote.")] = Path(),
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Remove what is wrong, also from DVC's cache, so that a rerun makes it again."),
    ] = False,
) -> None:
    """Check every artifact, the store and DVC's record of them for what is damaged, missing, misplaced or stale."""
    from softalign.commands.verify import verify_command

    verify_command(path, repair)


@app.command("results")
@command
def _results(project: ProjectOption = Path()) -> None:
    """Show the scores by language pair, the cost by stage, and where the report is."""
    from softalign.commands.results import results_command

    results_command(project)


@app.command("mend")
@command
def _mend(project: ProjectOption = Path()) -> None:
    """Delete what a killed DVC left half-written and can't run with; nothing while a DVC runs."""
    from softalign.commands.mend import mend_command

    mend_command(project)


@app.command("experiments")
@command
def _experiments(
    metric: Annotated[
        list[str] | None, typer.Option(help="A metric: its full name, its unique last part, or a pattern with *.")
    ] = None,
    group_by: Annotated[
        list[str] | None, typer.Option(help="A parameter in which runs of one row may differ.  [default: seed]")
    ] = None,
    out: Annotated[
        list[Path] | None, typer.Option(help="A .html, .md or .svg file.  [default: reports/experiments.html]")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every run as a row of numbers.")] = None,
    all_commits: Annotated[bool, typer.Option("--all-commits", help="Those of other commits too.")] = False,
    project: ProjectOption = Path(),
) -> None:
    """Compare DVC experiments: mean and spread over seeds by what they vary, as a table and plots."""
    from softalign.commands.experiments import experiments_command

    experiments_command(project, metric or [], group_by or [], out or [], csv, all_commits)


@app.command("init")
@command
def _init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The project's folder; it may exist.")],
    src: Annotated[Path, typer.Option(help="Text in the first language, a sentence a line.")],
    trg: Annotated[Path, typer.Option(help="Its translation, line by line.")],
    languages: Annotated[str, typer.Option(help="Both languages; the first gives the labels (en,fr).")],
    dvc: Annotated[bool, typer.Option("--dvc", help="Run `dvc init` too.")] = False,
) -> None:
    """Write params.yaml and dvc.yaml for two aligned text files of your own; nothing is overwritten."""
    from softalign.commands.init import init_command

    init_command(folder, src, trg, languages, dvc)


@store_app.command("list")
@command
def _store_list(project: ProjectOption = Path()) -> None:
    """Show what the store holds of each encoder, and which mining indexes and converted models."""
    from softalign.commands.store import list_command

    list_command(project)


@store_app.command("prune")
@command
def _store_prune(
    unused_days: Annotated[float, typer.Option(min=0, help="Days in which nothing used it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    project: ProjectOption = Path(),
) -> None:
    """Delete the vectors of encoders, mining indexes and converted models that nothing used for some days."""
    from softalign.commands.store import prune_command

    prune_command(project, unused_days, yes)


def main() -> None:
    """Run the command line."""
    show_what_can_be_shown()
    app(prog_name="softalign")
