"""Results as JSON, a file a row, with what they were measured on, and the table of them in bench/README.md."""

from __future__ import annotations

import json
import os
import platform
import shlex
import statistics
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import psutil

from speed.rows.base import Measured, Row, Run
from speed.text import SEED

BEGIN, END = "<!-- results: written by bench/run.py -->", "<!-- end of results -->"
PACKAGES = (
    "softalign", "torch", "transformers", "tokenizers", "sentence-transformers", "accelerate", "datasets", "model2vec",
    "faiss-cpu", "numpy", "pyarrow", "polars", "onnxruntime", "dvc",
)  # fmt: skip
WIDE = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
"""Instructions that a product's speed depends on."""


def machine(threads: int) -> dict[str, Any]:
    """Processor, cores, memory, load before the row, Python and packages."""
    found = {one.name: one.version for one in distributions()}
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: found[name] for name in PACKAGES if name in found},
    }


def _processor() -> str:
    try:
        lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    except OSError:
        return platform.processor() or platform.machine()
    said = {key.strip(): value.strip() for key, _, value in lines}
    wide = [flag for flag in WIDE if flag in said.get("flags", "").split()]
    return said.get("model name", platform.machine()) + (f" ({', '.join(wide)})" if wide else "")


def write_result(folder: Path, row: Row, run: Run, measured: Measured) -> None:
    """Write a row's result and print it."""
    from pipeline.ground.atomic import write_text

    result = {
        "row": row.name,
        "title": row.title,
        "command": _command(row, run),
        "rounds": run.rounds,
        "sizes": {name: run.sizes.get(name, value) for name, value in row.sizes.items()},
        "seed": SEED,
        "text": "given" if run.text else "the default run's",
        "machine": machine(run.threads),
        "agreement": measured.agreement,
        "spent": {name: asdict(spent) for name, spent in measured.spent.items()},
        "bars": [{**asdict(bar), "met": bar.met} for bar in measured.bars],
    }
    write_text(folder / f"{row.name}.json", json.dumps(result, indent=1, ensure_ascii=False, default=float) + "\n")
    for bar in measured.bars:
        print(f"  {row.title}: {bar.title}: {bar.value}{f'; of CPU time {bar.cpu}' if bar.cpu else ''}")
    print(f"  agreement: {json.dumps(measured.agreement, default=float)}", flush=True)


def _command(row: Row, run: Run) -> str:
    sizes = [part for name in row.sizes if name in run.sizes for part in ("--size", f"{name}={run.sizes[name]:g}")]
    text = ["--text", "TEXT"] if run.text else []
    return shlex.join(["python", "bench/run.py", row.name, "--rounds", str(run.rounds), *sizes, *text])


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Results by row."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def put_between(readme: Path, begin: str, end: str, text: str) -> None:
    """Put a table between its two marks; everything else stays."""
    head, _, rest = readme.read_text(encoding="utf-8").partition(begin)
    readme.write_text(f"{head}{begin}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def write_table(readme: Path, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Put all rows into bench/README.md."""
    put_between(readme, BEGIN, END, table(results))


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """All rows in their order, as Markdown: medians, ranges over rounds, bars, commands."""
    from speed.rows import ROWS

    ordered = [results[name] for name in ROWS if name in results]
    if not ordered:
        return "No results yet.\n"
    lines = ["| work | measured | median (range) | of CPU time | bar | |", "|---|---|---|---|---|---|"]
    for result in ordered:
        for bar in result["bars"]:
            signs = [f"{sign} {bar[name]:g}" for sign, name in (("≥", "least"), ("≤", "most")) if bar[name] is not None]
            met = {True: "met", False: "**missed**", None: ""}[bar["met"]]
            cells = [
                result["title"],
                bar["title"],
                _range(bar["value"]),
                _range(bar["cpu"]),
                ", ".join(signs) or "–",
                met,
            ]
            lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| row | sizes | seconds by contestant, median (cores busy) | outputs | command |",
        "|---|---|---|---|---|",
    ]
    for result in ordered:
        seconds = ", ".join(_seconds(name, of) for name, of in result["spent"].items() if of["seconds"])
        sizes = ", ".join(f"{name} {value:,g}" for name, value in result["sizes"].items())
        agreement = json.dumps(_rounded(result["agreement"]), ensure_ascii=False)[1:-1].replace('"', "")
        lines.append(f"| {result['row']} | {sizes} | {seconds} | {agreement} | `{result['command']}` |")
    machines = {json.dumps({**result["machine"], "load": 0}, sort_keys=True): result["machine"] for result in ordered}
    for found in machines.values():
        versions = ", ".join(f"{name} {value}" for name, value in found["versions"].items())
        on = f"{found['processor']}, {found['cores']} cores, {found['threads']} threads, {found['memory_gib']} GiB"
        lines += ["", f"{on}; Python {found['python']}; {versions}. Seed {ordered[0]['seed']}."]
    return "\n".join(lines) + "\n"


def _seconds(name: str, spent: Mapping[str, list[float]]) -> str:
    """A contestant's median seconds, and how many cores it kept busy in them: a peer that leaves cores idle shows."""
    cores = statistics.median(cpu / wall for cpu, wall in zip(spent["cpu"], spent["seconds"], strict=True))
    return f"{name} {statistics.median_high(spent['seconds']):.3g} ({cores:.1f})"


def _range(value: Mapping[str, float] | None) -> str:
    return f"{value['median']:.3g} ({value['least']:.3g}–{value['most']:.3g})" if value else "–"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value
