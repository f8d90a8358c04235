"""``softalign compare``: models side by side, and whether their differences are more than chance."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from softalign.interface.benchmark_options import BenchmarkOptions, MeasuringOptions, percent
from softalign.interface.options import command
from softalign.interface.text_options import own_store

if TYPE_CHECKING:
    from pipeline.evaluation.comparing import ScoreDifference
    from pipeline.evaluation.results import ModelResult
    from pipeline.inspecting.view import Table


@command
def compare(
    models: Annotated[
        list[str],
        typer.Argument(metavar="RESULT…", help="JSON of `softalign evaluate --out`, or models; the first is the base."),
    ],
    benchmarks: BenchmarkOptions,
    measuring: MeasuringOptions,
    clean: Annotated[
        bool,
        typer.Option("--clean", help="Only items that did not stand in the training text of the first that knows."),
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="The differences as JSON.")] = None,
) -> None:
    """Compare results with the first one: a table, and a paired bootstrap of every difference.

    Models that are not measured yet need --benchmark: softalign compare base-model models/student --benchmark tatoeba=DIR.
    """
    from pipeline.console.errors import UserError
    from pipeline.evaluation import comparing
    from pipeline.inspecting.view import View
    from softalign.interface.console import show

    resamples, seed = measuring.resamples, measuring.seed
    if resamples < 1:
        raise UserError("--bootstrap: found 0; a comparison needs resamples")
    new = [model for model in models if not model.endswith(".json")]
    if new and not benchmarks.benchmark:
        raise UserError(f"{new[0]}: not a .json of `softalign evaluate --out`; to measure it now, give --benchmark")
    if benchmarks.benchmark and not new:
        raise UserError("--benchmark: all results are measured already; give it only with models")
    results = _results(models, benchmarks, measuring)
    names = [result.name for result in results]
    found = comparing.compare(results, resamples, seed, clean)
    if out is not None:
        _write(out, names, found, resamples, seed)
    facts = [("base", names[0]), *((f"model {place}", name) for place, name in enumerate(names[1:], 1))]
    show(View("comparison", tuple(facts), tuple(_tables(found, names))))


def _results(models: list[str], benchmarks: BenchmarkOptions, measuring: MeasuringOptions) -> list[ModelResult]:
    """Results as they are stored, and of models that are not measured yet."""
    from pipeline.evaluation.peers import open_named
    from pipeline.evaluation.results import read_result
    from pipeline.evaluation.run import Evaluation

    evaluation = Evaluation(benchmarks.read(), 0, measuring.seed, measuring.store)
    results = []
    with tempfile.TemporaryDirectory(prefix="softalign-") as work:
        for place, model in enumerate(models):
            path = Path(model)
            if path.suffix != ".json":
                opened = open_named(path.name or model, model, Path(), measuring.store or own_store())
                path = Path(work) / f"{place}.json"
                evaluation.write(path, opened, evaluation.scores(opened))
            results.append(read_result(path))
    return results


def _tables(found: list[ScoreDifference], names: list[str]) -> list[Table]:
    from pipeline.inspecting.view import Table

    tables = []
    for benchmark in dict.fromkeys(one.benchmark for one in found):
        rows, of = [], [one for one in found if one.benchmark == benchmark]
        for one in of:
            for place, name in enumerate(names[1:]):
                gain = one.values[place + 1] - one.values[0]
                low, high = one.intervals[place]
                cells = (percent(one.values[0]), percent(one.values[place + 1]), f"{100 * gain:+.2f}")
                rows.append((one.task, name, *cells, f"{100 * low:+.2f}", f"{100 * high:+.2f}", f"{one.p[place]:.4f}"))
        columns = ("task", "model", names[0], "its value", "gain", "95 % from", "to", "p")
        title = f"{benchmark}: {of[0].statistic}, in per cent"
        tables.append(Table(title, columns, tuple(rows), frozenset(columns[2:]), "p: paired bootstrap, two-sided"))
    return tables


def _write(path: Path, names: list[str], found: list[ScoreDifference], resamples: int, seed: int) -> None:
    import json
    from dataclasses import asdict

    from pipeline.ground.atomic import write_text

    content = {
        "kind": "comparison",
        "models": names,
        "bootstrap": {"resamples": resamples, "seed": seed},
        "differences": [asdict(one) for one in found],
    }
    write_text(path, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
