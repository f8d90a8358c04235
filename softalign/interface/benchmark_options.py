"""How a user names benchmarks and models on a command line, and how their scores are shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.evaluation.benchmark import Benchmark
    from pipeline.inspecting.view import Table

BenchmarkOption = Annotated[
    list[str] | None,
    typer.Option(
        "--benchmark",
        metavar="KIND=DIR",
        help="A benchmark's folder (tatoeba=DIR; NAME:KIND=DIR gives it a name); may be repeated.",
    ),
]
TaskLanguagesOption = Annotated[
    str | None, typer.Option("--languages", help="Only tasks in these languages (en,fr,ja); else all that are there.")
]
SplitOption = Annotated[str, typer.Option("--split", help="dev or test, of benchmarks that have both.")]
ResamplesOption = Annotated[int, typer.Option("--bootstrap", min=0, help="Resamples for intervals; 0: none.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap.")]
StoreOption = Annotated[
    Path | None,
    typer.Option("--store", metavar="DIR", envvar="SOFTALIGN_STORE", help="A vector store: embed each sentence once."),
]
TrainingOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--training", help="Text that the model was trained on, a sentence a line: says what was seen; may be repeated."
    ),
]
NearOption = Annotated[
    float,
    typer.Option("--near", min=0, max=1, help="With --training: similarity from which a sentence counts as seen."),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show a traceback with every error.")]


def read_benchmarks(specs: Sequence[str], languages: str | None, split: str) -> tuple[Benchmark, ...]:
    """The benchmarks that ``KIND=DIR`` or ``NAME:KIND=DIR`` name.

    Raises:
        UserError: if a spec has another form, a name stands twice, or a benchmark can't be read.
    """
    from pipeline.config.evaluate import BENCHMARKS
    from pipeline.console.errors import UserError
    from pipeline.evaluation.reading import read_benchmark
    from pipeline.ground.languages import canonical_language

    try:
        wanted = None if languages is None else [canonical_language(code) for code in languages.split(",")]
    except ValueError as error:
        raise UserError(f"--languages: {error}") from None
    if split not in ("dev", "test"):
        raise UserError(f"--split: found {split!r}, expected dev or test")
    kinds = BENCHMARKS.names()
    found: dict[str, Benchmark] = {}
    for spec in specs:
        left, equals, folder = spec.partition("=")
        name, colon, kind = left.rpartition(":")
        if not equals or not folder or kind not in kinds:
            raise UserError(f"--benchmark: found {spec!r}, expected KIND=DIR with KIND one of {', '.join(kinds)}")
        name = name if colon else kind
        if name in found:
            raise UserError(f"--benchmark: two are named {name!r}; name them as NAME:KIND=DIR")
        found[name] = read_benchmark(name, kind, Path(folder), wanted, split)
    return tuple(found.values())


def score_tables(about: dict[str, Any]) -> tuple[Table, ...]:
    """A model's results (`pipeline.evaluation.results.as_json`) as a table a benchmark, in per cent."""
    return tuple(_score_table(name, of) for name, of in about["benchmarks"].items())


def _score_table(name: str, of: dict[str, Any]) -> Table:
    from pipeline.inspecting.view import Table

    main = of["main"]
    others = [key for key in of["mean"] if key != main]
    cleaned = any("cleanliness" in task for task in of["tasks"].values())
    columns = ("task", "items", main, "95 % from", "to", *others, *(("seen", "clean") if cleaned else ()))
    rows = []
    entries = list(of["tasks"].items())
    if len(entries) > 1:
        entries.append(("mean", of["mean"]))
    for task, entry in entries:
        value = entry[main]
        cells = [task, f"{entry['items']:,}" if "items" in entry else ""]
        cells += [percent(value.get(key)) for key in ("value", "low", "high")]
        cells += [percent(entry[key]["value"]) for key in others]
        if cleaned:
            seen = entry.get("cleanliness")
            cells.append("" if seen is None else f"{seen['seen'] + seen['nearly_seen']:,} of {seen['sentences']:,}")
            cells.append(percent(value.get("clean")))
        rows.append(tuple(cells))
    unknown = [f"{code} {percent(share)}" for code, share in of.get("unknown_tokens", {}).items() if share > 0]
    lost = sum(task.get("without_vector", 0) for task in of["tasks"].values())
    notes = [f"unknown tokens, in per cent: {', '.join(unknown)}"] if unknown else []
    notes += [f"{lost:,.0f} sentences of which the model makes nothing"] if lost else []
    title = f"{name} ({of['kind']}), in per cent"
    return Table(title, columns, tuple(rows), frozenset(columns[1:]), "; ".join(notes))


def percent(value: float | None) -> str:
    """A share or a correlation as it is shown; empty for None."""
    return "" if value is None else f"{100 * value:.2f}"
