"""``softalign benchmarks``: which there are, fetching them, and the sentences that a closed model has to embed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from softalign.interface.benchmark_options import BenchmarkOptions, TaskLanguagesOption
from softalign.interface.options import command
from softalign.interface.text_options import language_codes

app = typer.Typer(no_args_is_help=True)


@app.callback()
def benchmarks() -> None:
    """Benchmarks: which there are, fetching their published files, and their sentences."""


@app.command("list")
@command
def list_benchmarks() -> None:
    """Show the benchmarks that can be read, and how each is had."""
    from pipeline.evaluation.catalogue import catalogue
    from pipeline.inspecting.view import Table, View
    from softalign.interface.console import show

    rows = []
    for source in sorted(catalogue().values(), key=lambda source: source.name):
        had = "by hand" if source.by_hand else "1 archive" if source.archive else f"{len(source.files):,} files"
        rows.append((source.name, source.kind, had, source.licence, source.about, source.home))
    columns = ("name", "kind", "fetched as", "licence", "what", "home")
    note = "`softalign benchmarks fetch NAME --out DIR` downloads, or says what to do by hand"
    show(View("benchmarks", (), (Table("published files", columns, tuple(rows), note=note),)))


@app.command("fetch")
@command
def fetch(
    name: Annotated[str, typer.Argument(help="As `softalign benchmarks list` names it.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The benchmark's folder.")],
    languages: TaskLanguagesOption = None,
) -> None:
    """Download a benchmark's files from their public home, each held to a pinned SHA-256."""
    from pipeline.evaluation import fetching
    from pipeline.evaluation.catalogue import find_source
    from pipeline.inspecting.view import View
    from softalign.interface.console import show

    source = find_source(name)
    files = fetching.fetch(source, out, None if languages is None else language_codes(languages))
    size = sum(path.stat().st_size for path in files)
    facts = [("what", source.about), ("licence", source.licence), ("files", f"{len(files):,}, {size:,} bytes")]
    facts.append(("use", f"--benchmark {source.kind}={out}"))
    show(View(source.name, tuple(facts)))


@app.command("texts")
@command
def texts(
    benchmarks: BenchmarkOptions,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="A sentence a line.")] = None,
) -> None:
    """Write the different sentences of benchmarks: embed them elsewhere, and name the vectors as a model or peer."""
    from pipeline.console.errors import UserError
    from pipeline.ground.atomic import write_text
    from pipeline.inspecting.view import View
    from softalign.interface.console import show

    if not benchmarks.benchmark or out is None:
        lacking = "out" if benchmarks.benchmark else "benchmark"
        raise UserError(f"--{lacking} is missing: give --benchmark KIND=DIR and --out FILE")
    found = list(dict.fromkeys(text for one in benchmarks.read() for text in one.texts() if text))
    if broken := next((text for text in found if "\n" in text), None):
        raise UserError(f"{out}: the sentence {broken[:60]!r} has a line end inside; it can't stand on a line")
    write_text(out, "".join(f"{text}\n" for text in found))
    show(View("sentences", (("file", str(out)), ("sentences", f"{len(found):,}"))))
