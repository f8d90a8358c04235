"""What every stage's command shares: its options, its log, its errors, its metrics and its time."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

import pipeline
from pipeline.config.params import Params, load_params
from pipeline.console.errors import ParamsError, UserError
from pipeline.console.interrupts import Interrupted, raised_interrupts
from pipeline.console.streams import show_what_can_be_shown
from pipeline.ground.atomic import write_text
from stages.running.layout import Layout
from stages.running.lock import one_at_a_time, stop_without_parent
from stages.running.shortage import RAN_OUT, shortage

ProjectOption = Annotated[Path, typer.Option(help="The folder that holds params.yaml.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show a traceback with every error.")]


@dataclass(frozen=True)
class Project:
    """A folder with a params.yaml.

    Attributes:
        params: checked parameters.
        layout: where its artifacts are.
    """

    params: Params
    layout: Layout

    @classmethod
    def open(cls, root: Path) -> Project:
        """Read and check the parameters of a project's folder.

        Raises:
            ParamsError: if they are not allowed, or written for another version of softalign.
            InputError: if they can't be read.
        """
        layout = Layout(root)
        params = load_params(layout.params)
        if params.softalign not in (None, pipeline.__version__):
            raise ParamsError(
                f"{layout.params}: softalign: found {params.softalign!r}, but {pipeline.__version__} is installed; "
                f"set it to {pipeline.__version__} (every stage then runs again) or install the version it names"
            )
        return cls(params, layout)


def run_in_project(name: str, run: Callable[[Project], None], root: Path) -> None:
    """Run one stage in a project, one run of it at a time, and note its cost.

    Args:
        name: the stage's name; of a stage of language pairs with the pair's (``mine-en-fr``).
        run: the stage's function.
        root: the folder that holds params.yaml.

    Raises:
        UserError: if the project can't be opened, or the stage can't be run.
    """
    start = time.perf_counter()
    project = Project.open(root)
    if os.environ.get("DVC_STAGE"):
        stop_without_parent()
    # Of the processes that train one student together, the first one holds the lock for all (under MPI none does).
    first = os.environ.get("RANK", "" if "ACCELERATE_MIXED_PRECISION" in os.environ else "0") == "0"
    with one_at_a_time(project.layout.lock(name), name) if first else nullcontext():
        run(project)
        _note_cost(project.layout, name, time.perf_counter() - start)


def stage_main(name: str, run: Callable[[Project], None]) -> None:
    """The command line of one stage (``python -m stages.<name>``)."""

    def command(project: ProjectOption = Path(), debug: DebugOption = False) -> None:
        with reported_errors(debug):
            run_in_project(name, run, project)

    command.__doc__ = sys.modules[run.__module__].__doc__
    run_command(command)


def run_command(command: Callable[..., None]) -> None:
    """Run a function as the command line of this process; neither stream ends it with what it can't show."""
    show_what_can_be_shown()
    typer.run(command)


@contextmanager
def reported_errors(debug: bool) -> Iterator[None]:
    """Turn what a user can act on into one line on standard error and an exit code; other errors are defects."""
    configure_log()
    debug = debug or bool(os.environ.get("SOFTALIGN_DEBUG"))
    try:
        with raised_interrupts():
            yield
    except Interrupted as stop:
        what = "interrupted" if stop.number == signal.SIGINT else f"stopped by {signal.Signals(stop.number).name}"
        typer.echo(f"softalign: {what}{stop.note}; run the same command again to go on", err=True)
        raise SystemExit(stop.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("softalign: interrupted; run the same command again to go on", err=True)
        raise SystemExit(130) from None
    except Exception as error:
        line = None if debug else _error_line(error)
        if line is None:
            raise
        for each in line.splitlines():  # what begins with a space is to be copied
            typer.echo(each if each.startswith(" ") else f"softalign: error: {each}", err=True)
        raise SystemExit(error.exit_code if isinstance(error, UserError) else 1) from None


def _error_line(error: Exception) -> str | None:
    """What to tell the user; None if the error is a defect of ours."""
    if isinstance(error, UserError):
        return shortage(error, RAN_OUT) or str(error)
    if (line := shortage(error)) is not None:
        return line
    if isinstance(error, OSError):
        return f"{error.filename or 'system'}: {error.strerror or error}"
    return None


def configure_log() -> None:
    """Plain lines on standard error; neither stream ends a command with what it can't show."""
    show_what_can_be_shown()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for name in ("pipeline", "stages"):
        logging.getLogger(name).setLevel(logging.INFO)
    # Every run would print these; neither is about the user's input.
    warnings.filterwarnings("ignore", message=".*pin_memory.*")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write a stage's metrics as JSON that is the same for equal values."""
    write_text(path, json.dumps(metrics, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def _note_cost(layout: Layout, name: str, seconds: float) -> None:
    """Time and peak memory, beside the artifacts and not among them: they differ from run to run."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cost = {"seconds": round(seconds, 2), "peak_megabytes": round(peak, 1)}
    write_text(layout.cost(name), json.dumps(cost) + "\n")
