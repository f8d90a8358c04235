"""Results as JSON, a file a row, and the table of them in bench/README.md."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from speed.machine import machine
from speed.rows.base import Measured, Row, Run
from speed.text import SEED

BEGIN, END = "<!-- results: written by bench/run.py -->", "<!-- end of results -->"


def write_result(folder: Path, row: Row, run: Run, measured: Measured) -> None:
    """Write a row's result and print it."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {name: run.sizes.get(name, value) for name, value in row.sizes.items()}
    result = {
        "row": row.name,
        "title": row.title,
        "command": _command(row, run),
        "rounds": run.rounds,
        "sizes": sizes,
        "seed": SEED,
        "text": "given" if run.text else "the default run's",
        "machine": machine(run.threads),
        "agreement": measured.agreement,
        "spent": {name: asdict(spent) for name, spent in measured.spent.items()},
        "bars": [bar.record() for bar in measured.bars],
        "notes": measured.notes,
    }
    text = json.dumps(result, indent=1, ensure_ascii=False, default=float)
    temporary = folder / f"{row.name}.json.new"
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(folder / f"{row.name}.json")
    for bar in measured.bars:
        cpu = f"; of CPU time {bar.cpu}" if bar.cpu else ""
        print(f"  {row.title}: {bar.title}: {bar.value}{cpu}")
    print(f"  agreement: {json.dumps(measured.agreement, default=float)}", flush=True)


def _command(row: Row, run: Run) -> str:
    sizes = [part for name in row.sizes if name in run.sizes for part in ("--size", f"{name}={run.sizes[name]:g}")]
    text = ["--text", "TEXT"] if run.text else []
    return shlex.join(["python", "bench/run.py", row.name, "--rounds", str(run.rounds), *sizes, *text])


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Results by row."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def write_table(readme: Path, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Put the table between its two marks; everything else stays."""
    text = readme.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    readme.write_text(f"{head}{BEGIN}\n{table(results)}\n{END}{tail}", encoding="utf-8")


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """All rows in their order, as Markdown: medians, ranges over rounds, bars, commands."""
    from speed.rows import ROWS

    ordered = [results[name] for name in ROWS if name in results]
    if not ordered:
        return "No results yet.\n"
    lines = ["| work | measured | median (range) | of CPU time | bar | |", "|---|---|---|---|---|---|"]
    for result in ordered:
        for bar in result["bars"]:
            bounds = [
                f"{sign} {bar[name]:g}" for sign, name in (("≥", "least"), ("≤", "most")) if bar[name] is not None
            ]
            bound = ", ".join(bounds) or "–"
            met = {True: "met", False: "**missed**", None: ""}[bar["met"]]
            cpu = _range(bar["cpu"]) if bar["cpu"] else "–"
            lines.append(f"| {result['title']} | {bar['title']} | {_range(bar['value'])} | {cpu} | {bound} | {met} |")
    lines += ["", "| row | sizes | seconds by contestant, median | outputs | command |", "|---|---|---|---|---|"]
    for result in ordered:
        seconds = ", ".join(f"{name} {_median(spent['seconds']):.3g}" for name, spent in result["spent"].items())
        sizes = ", ".join(f"{name} {value:,g}" for name, value in result["sizes"].items())
        agreement = json.dumps(_rounded(result["agreement"]), ensure_ascii=False)[1:-1].replace('"', "")
        lines.append(f"| {result['row']} | {sizes} | {seconds} | {agreement} | `{result['command']}` |")
    machines = {json.dumps({**result["machine"], "load": 0}, sort_keys=True): result["machine"] for result in ordered}
    for found in machines.values():
        versions = ", ".join(f"{name} {value}" for name, value in found["versions"].items())
        lines += [
            "",
            f"{found['processor']}, {found['cores']} cores, {found['threads']} threads, {found['memory_gib']} GiB; ",
        ]
        lines[-1] += f"Python {found['python']}; {versions}. Seed {ordered[0]['seed']}."
    return "\n".join(lines) + "\n"


def _range(value: Mapping[str, float]) -> str:
    return f"{value['median']:.3g} ({value['least']:.3g}–{value['most']:.3g})"


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value
