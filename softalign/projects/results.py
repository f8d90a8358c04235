"""``softalign results``: what the last run reached and cost, in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.config.params import load_params
from pipeline.inspecting.plain_files import read_json
from pipeline.inspecting.view import Table, View
from pipeline.reporting.current import current_evaluation
from pipeline.reporting.near_copies import most_left_out
from softalign.interface.console import show
from softalign.projects.stages import stage_names
from stages.running.layout import Layout
from stages.running.leftovers import LeftOvers, in_words


def results_command(root: Path) -> None:
    """Show the results of a project."""
    show(results(Layout(root)))


def results(layout: Layout) -> View:
    """Scores by language pair, cost by stage, and where the report is; says so when there is nothing yet.

    Only what params.yaml names is shown; what else lies there is named as left over.

    Raises:
        ArtifactError: if a metrics file is damaged.
        UserError: if params.yaml can't be used.
    """
    params = load_params(layout.params) if layout.params.is_file() else None
    evaluated = layout.metrics / "evaluate.json"
    metrics = _metrics(evaluated) | _metrics(layout.metrics / "heldout.json")
    if params is not None:
        metrics = current_evaluation(metrics, params)
    leftovers = None if params is None else LeftOvers(params, layout)
    found = (_scores(metrics), _benchmarks(metrics), _mined(layout, leftovers), _costs(layout, leftovers))
    tables = [table for table in found if table is not None]
    facts = []
    if not evaluated.is_file():
        facts.append(("scores", "none yet; `dvc repro` runs all stages"))
    elif not tables or tables[0].title != SCORES:
        facts.append(("scores", f"none: {_why_none(layout)}"))
    elif params is not None and (without := [pair for pair in params.pairs if pair not in _pairs_of(metrics)]):
        facts.append(("without scores", ", ".join(without)))
    facts.append(("report", str(layout.report) if layout.report.is_file() else "not written yet"))
    if leftovers is not None and (words := in_words(list(leftovers.found()), layout.root)):
        facts.append(("left over", words))
    return View("results", tuple(facts), tuple(tables))


def _metrics(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _why_none(layout: Layout) -> str:
    if most := most_left_out(_metrics(layout.metrics / "prepare.json")):
        return most
    return "nothing is held out (prepare.heldout.share), so there is nothing to measure on"


SCORES = "scores on held-out documents, in per cent"


def _pairs_of(metrics: dict[str, Any]) -> list[str]:
    return list(
        dict.fromkeys(pair for kind in ("retrieval", "mining") for pair in metrics.get(kind, {}).get("pairs", {}))
    )


def _scores(metrics: dict[str, Any]) -> Table | None:
    retrieval, mining = metrics.get("retrieval", {}), metrics.get("mining", {})
    pairs = _pairs_of(metrics)
    if not pairs:
        return None
    rows = []
    for pair in pairs:
        found, mined = retrieval.get("pairs", {}).get(pair, {}), mining.get("pairs", {}).get(pair, {})
        threshold = mined.get("threshold")
        rows.append(
            (
                pair,
                _percent(found.get("accuracy")),
                f"{found['candidates']:,}" if "candidates" in found else "–",
                *(_percent(mined.get(name)) for name in ("precision", "recall", "f1")),
                f"{threshold:.4f}" if isinstance(threshold, int | float) else "–",
            )
        )
    means = ("mean", _percent(retrieval.get("mean")), "", "", "", _percent(mining.get("mean_f1")), "")
    columns = ("pair", "retrieval", "candidates", "precision", "recall", "F1", "threshold")
    return Table(SCORES, columns, (*rows, means), frozenset(columns[1:]))


def _benchmarks(metrics: dict[str, Any]) -> Table | None:
    """The student and its peers on benchmarks: the mean of each one's main score, and the same of clean items."""
    models = {"student": metrics.get("benchmarks", {}), **metrics.get("peers", {})}
    rows = []
    for name in metrics.get("benchmarks", {}):
        for model, scores in models.items():
            if found := scores.get(name):
                main = next(key for key in found if key not in ("clean", "seen", "tasks"))
                rows.append((name, main, model, _percent(found[main]), _percent(found.get("clean"))))
    columns = ("benchmark", "score", "model", "value", "clean")
    title = "benchmarks, in per cent; data/evaluation has tasks and intervals"
    return Table(title, columns, tuple(rows), frozenset({"value", "clean"})) if rows else None


def _mined(layout: Layout, leftovers: LeftOvers | None) -> Table | None:
    rows = []
    for path in _current(layout.metrics / "mine", leftovers):
        mined = read_json(path).get("mined", {})
        if mined:
            what = "the test set" if mined["set"] == "test" else "your text"
            rows.append((path.stem, what, f"{mined['pairs']:,}", f"{mined['accepted']:,}"))
    columns = ("pair", "from", "candidates", "accepted")
    return Table("mined pairs", columns, tuple(rows), frozenset({"candidates", "accepted"})) if rows else None


def _costs(layout: Layout, leftovers: LeftOvers | None) -> Table | None:
    rows = []
    paths = _current(layout.cost("").parent, leftovers)
    for path in sorted(paths, key=lambda path: (_place(path.stem), path.stem)):
        cost = read_json(path)
        rows.append((path.stem, f"{cost['seconds']:,.1f}", f"{cost['peak_megabytes']:,.0f}"))
    columns = ("stage", "seconds", "peak MB")
    title = "cost of each stage's last run on this machine"
    return Table(title, columns, tuple(rows), frozenset(columns[1:])) if rows else None


def _current(folder: Path, leftovers: LeftOvers | None) -> list[Path]:
    """A folder's JSON files, by name, but for what is left over."""
    return [path for path in sorted(folder.glob("*.json")) if leftovers is None or leftovers.reason(path) is None]


def _place(name: str) -> int:
    """Where a cost belongs in the order of stages; mine notes one for each language pair."""
    stages = stage_names()
    return next(
        (place for place, stage in enumerate(stages) if name == stage or name.startswith(f"{stage}-")), len(stages)
    )


def _percent(value: Any) -> str:
    return f"{100 * value:.1f}" if isinstance(value, int | float) else "–"
