"""``softalign plan``: what a run will take, by stage, from unit costs measured on this machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from softalign.interface.options import ProjectOption, command

if TYPE_CHECKING:
    from pipeline.inspecting.view import View


@command
def plan(
    pairs: Annotated[
        str | None, typer.Option(help="Training pairs, such as 250000 or 100M.  [default: this project's own]")
    ] = None,
    mine: Annotated[str | None, typer.Option(help="Sentences to be mined, all languages together, such as 1B.")] = None,
    device: Annotated[
        str, typer.Option(help="this, or an accelerator by name: t4, l4, a10g, a100, h100, h200.")
    ] = "this",
    devices: Annotated[int, typer.Option(min=1, help="How many of them.")] = 1,
    workers: Annotated[
        int, typer.Option(min=1, help="Machines like this one, for work that needs no accelerator.")
    ] = 1,
    measure: Annotated[bool, typer.Option("--measure", help="Measure unit costs first; they are kept.")] = False,
    project: ProjectOption = Path(),
) -> None:
    """Say what a run takes: time, disk, memory and network by stage (docs/scale.md has the formulas)."""
    from pipeline.planning.costs import Machines, Workload
    from pipeline.planning.costs import plan as planned
    from pipeline.planning.devices import find_device
    from pipeline.planning.quantities import parse_count
    from pipeline.planning.units import load_units, save_units
    from softalign.interface.console import show
    from stages.running.command import Project

    machines = Machines(find_device(device), devices, workers)
    training = parse_count(pairs, "--pairs") if pairs else None
    to_mine = parse_count(mine, "--mine") if mine else None
    opened = Project.open(project)
    path = opened.layout.cost("units")
    if measure:
        from softalign.projects.plan_measuring import measure_project

        save_units(path, measure_project(opened))
    units = load_units(path)
    last = None
    if training is not None:
        work = Workload.of_size(training, to_mine or 0, opened.params)
    elif to_mine is not None:
        work = replace(_own_workload(opened), mine=to_mine)
    else:
        work, last = _own_workload(opened), _last_run(opened)
    show(_view(opened.params, work, units, machines, planned(work, units, opened.params, machines), last))


def _own_workload(project: Any) -> Any:
    """What the project's stage prepare has found."""
    from pipeline.console.errors import InputError
    from pipeline.planning.costs import Workload

    path = project.layout.metrics / "prepare.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        sentences, params = found["sentences"], project.params
        return Workload(
            lines=sum(corpus["read"] for corpus in found["corpora"].values()),
            pairs=sum(found["pairs"].values()),
            label_sentences=sum(sentences[language] for language in params.teacher_languages),
            sentences=sum(sentences.values()),
            mine=sum(found["monolingual"].values()),
            languages=len(params.used_languages),
            language_pairs=len(params.pairs),
        )
    except FileNotFoundError:
        raise InputError(
            path, "stage prepare has not run here; say how much there is with --pairs and --mine"
        ) from None
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise InputError(path, f"not readable ({type(error).__name__}: {error}); run stage prepare again") from None


def _last_run(project: Any) -> dict[str, float]:
    """Seconds of each stage's last run, where it has one; of mine, of all language pairs that have."""
    found: dict[str, float] = {}
    for path in sorted(project.layout.cost("any").parent.glob("*.json")):
        try:
            seconds = float(json.loads(path.read_text(encoding="utf-8"))["seconds"])
        except (OSError, ValueError, LookupError, TypeError):
            continue
        stage = path.stem.partition("-")[0]
        found[stage] = found.get(stage, 0.0) + seconds
    return found


def _view(
    params: Any, work: Any, units: Any, machines: Any, costs: Sequence[Any], last: dict[str, float] | None
) -> View:
    from pipeline.inspecting.view import Table, View
    from pipeline.planning.devices import ENCODE_SHARE, SEARCH_SHARE, TRAIN_SHARE
    from pipeline.planning.quantities import bytes_text, count_text, duration_text

    device = machines.device
    own = f"{machines.workers} × this machine ({units.cores} cores)"
    facts = [
        ("training pairs", count_text(work.pairs)),
        ("sentences to mine", count_text(work.mine)),
        ("languages", f"{work.languages}, in {work.language_pairs} pairs"),
        ("models", units.encoders),
        ("without accelerator", own),
    ]
    if device is not None:
        facts.append(
            ("accelerator", f"{machines.devices} × {device.title}: {device.peak / 1e12:,.0f} TFLOP/s, {device.source}")
        )
        shares = f"encoding {ENCODE_SHARE:.0%}, training {TRAIN_SHARE:.0%}, search {SEARCH_SHARE:.0%} of the peak"
        facts.append(("assumed", shares))
    columns = ["stage", "time", *(["last run"] if last is not None else []), "disk", "memory", "network", "rests on"]
    rows = []
    for cost in costs:
        row = [cost.stage, duration_text(cost.seconds)]
        if last is not None:
            row.append(duration_text(last[cost.stage]) if cost.stage in last else "")
        row += [
            bytes_text(cost.disk),
            bytes_text(cost.memory),
            bytes_text(cost.network) if cost.network else "",
            cost.note,
        ]
        rows.append(tuple(row))
    total = ["all", duration_text(sum(cost.seconds for cost in costs))]
    if last is not None:
        total.append(duration_text(sum(last.get(cost.stage, 0.0) for cost in costs)))
    total += [bytes_text(sum(cost.disk for cost in costs)), bytes_text(max(cost.memory for cost in costs))]
    total += [bytes_text(sum(cost.network for cost in costs)), ""]
    numeric = frozenset(columns) - {"stage", "rests on"}
    note = (
        "evaluate and report are not in it; memory of all is the largest; an estimate, within a factor of two at best"
    )
    table = Table("What it will take", tuple(columns), (*rows, tuple(total)), numeric, note)
    return View("plan", tuple(facts), (table,))
