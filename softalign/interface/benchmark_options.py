"""How a user names benchmarks and models on a command line, and how their scores are shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from softalign.interface.options import options
from softalign.interface.text_options import language_codes

if TYPE_CHECKING:
    from pipeline.evaluation.benchmark import Benchmark
    from pipeline.inspecting.view import Table

TaskLanguagesOption = Annotated[
    str | None, Option("--languages", help="Only tasks in these languages (en,fr,ja); else all that are there.")
]


@options("Benchmarks")
class BenchmarkOptions:
    """Which benchmarks are read."""

    benchmark: Annotated[
        list[str] | None,
        Option(
            metavar="KIND=DIR",
            help="A benchmark's folder (tatoeba=DIR; NAME:KIND=DIR gives it a name); may be repeated.",
        ),
    ] = None
    languages: TaskLanguagesOption = None
    split: Annotated[str, Option(help="dev or test, of benchmarks that have both.")] = "test"

    def read(self) -> tuple[Benchmark, ...]:
        """The benchmarks.

        Raises:
            UserError: if one is named in another form, a name stands twice, or a benchmark can't be read.
        """
        from pipeline.config.evaluate import BENCHMARKS
        from pipeline.console.errors import UserError
        from pipeline.evaluation.reading import read_benchmark

        wanted = None if self.languages is None else language_codes(self.languages)
        if self.split not in ("dev", "test"):
            raise UserError(f"--split: found {self.split!r}, expected dev or test")
        kinds = BENCHMARKS.names()
        found: dict[str, Benchmark] = {}
        for spec in self.benchmark or ():
            left, equals, folder = spec.partition("=")
            name, colon, kind = left.rpartition(":")
            if not equals or not folder or kind not in kinds:
                raise UserError(f"--benchmark: found {spec!r}, expected KIND=DIR with KIND one of {', '.join(kinds)}")
            name = name if colon else kind
            if name in found:
                raise UserError(f"--benchmark: two are named {name!r}; name them as NAME:KIND=DIR")
            found[name] = read_benchmark(name, kind, Path(folder), wanted, self.split)
        return tuple(found.values())


@options("Measuring")
class MeasuringOptions:
    """How scores get their intervals, and where vectors are kept."""

    resamples: Annotated[int, Option("--bootstrap", min=0, help="Resamples for intervals; 0: none.")] = 1_000
    seed: Annotated[int, Option(min=0, help="Of the bootstrap.")] = 0
    store: Annotated[
        Path | None, Option(metavar="DIR", envvar="SOFTALIGN_STORE", help="A vector store: embed each sentence once.")
    ] = None


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
