"""``softalign experiments``: the experiments of a repository as a table and its plots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from pipeline.console.errors import UserError
from pipeline.ground.atomic import write_text
from pipeline.reporting.experiment_outputs import csv_text, markdown, page, view
from pipeline.reporting.experiment_plots import standalone_svg
from pipeline.reporting.experiments import Comparison, compare
from softalign.interface.console import show
from softalign.projects.read_experiments import read_experiments

DEFAULT_OUTPUT = Path("reports") / "experiments.html"


def experiments_command(
    project: Path,
    metrics: Sequence[str],
    group_by: Sequence[str],
    outputs: Sequence[Path],
    csv: Path | None,
    all_commits: bool,
) -> None:
    """Show the comparison of all experiments, and write it.

    Args:
        project: the folder that holds params.yaml.
        metrics: that are compared; empty: those of `pipeline.reporting.experiments.choose_metrics`.
        group_by: parameters in which runs of one row differ; empty: the seed.
        outputs: files whose suffix says what they are; empty: ``reports/experiments.html`` of the project.
        csv: where every run goes as a row of numbers.
        all_commits: whether experiments of other commits count too.

    Raises:
        UserError: if experiments can't be read or compared; if a suffix is unknown.
    """
    for path in outputs:
        if path.suffix not in WRITERS:
            raise UserError(f"--out: found {str(path)!r}, expected a name that ends in {', '.join(WRITERS)}")
    table = compare(read_experiments(project, all_commits), metrics, group_by or ["seed"])
    show(view(table))
    for path in outputs or [project / DEFAULT_OUTPUT]:
        for written in WRITERS[path.suffix](table, path):
            typer.echo(f"wrote {written}", err=True)
    if csv is not None:
        write_text(csv, csv_text(table))
        typer.echo(f"wrote {csv}", err=True)


def _write_page(table: Comparison, path: Path) -> list[Path]:
    write_text(path, page(table, "Experiments"))
    return [path]


def _write_svg(table: Comparison, path: Path) -> list[Path]:
    if not table.rows:
        raise UserError(f"{path}: no experiment has finished; a plot needs one")
    write_text(path, standalone_svg(table))
    return [path]


def _write_markdown(table: Comparison, path: Path) -> list[Path]:
    """The table, and its plot beside it."""
    plot = path.with_suffix(".svg")
    plots = _write_svg(table, plot) if table.rows else []
    write_text(path, markdown(table, plot.name))
    return [path, *plots]


WRITERS: dict[str, Callable[[Comparison, Path], list[Path]]] = {
    ".html": _write_page,
    ".svg": _write_svg,
    ".md": _write_markdown,
}
"""What writes a file of each suffix; returns what it wrote."""
