"""Time and peak memory of every stage by the size of the corpus.

    python bench/stage_costs.py --text corpora/train --times 1 10 --scratch /tmp/stages
    python bench/stage_costs.py --text corpora/train --times 0.1 --steps 50

Takes all pairs of a folder of ``<a>-<b>/*.tsv.zst``, or a part of them, or N times as many (every repetition adds a word of
its own to both sides: no line is a duplicate). The teacher is a static model of the default teacher's token vectors: all
stages have real work, but teach costs nothing. A fifth of each language is one-sided text as well, which is
mined, exactly, a language pair after the other. Each stage is a process of its own; its peak is that of its largest process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

BENCH = Path(__file__).resolve().parent
sys.path[:0] = [str(BENCH), str(BENCH.parent)]

from speed.project import STAGES, run_stage, write_project  # noqa: E402
from speed.results import machine, put_between  # noqa: E402
from speed.rows.encoding import PAIRS  # noqa: E402
from speed.rows.training import cheap_teacher  # noqa: E402
from speed.text import read_pairs  # noqa: E402

BEGIN, END = "<!-- stages: written by bench/stage_costs.py -->", "<!-- end of stages -->"
ALL_STAGES = (*STAGES, "train", "embed", "mine", "evaluate", "report")
NEIGHBORHOODS = {"k": 16, "search": "approximate", "recall": 0.5}
MINE = {"search": "approximate", "recall": 0.95}


def main() -> None:
    """Measure each size, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--times", type=float, nargs="+", default=[1.0])
    parser.add_argument("--steps", type=int, default=200, help="of training")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--results", type=Path, default=BENCH / "results")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--table", action="store_true", help="only write the table")
    options = parser.parse_args()
    for times in [] if options.table else options.times:
        with tempfile.TemporaryDirectory(prefix="bench-stages-") as folder:
            kept = options.scratch / f"times-{times:g}" if options.scratch else Path(folder)
            measure(kept, options.text, times, options.steps, options.threads, options.results)
    write_table(BENCH / "README.md", options.results)


def measure(folder: Path, text: Path, times: float, steps: int, threads: int, results: Path) -> None:
    """Run on one size all stages that have not been run; writes the results after each."""
    root, written = folder / "project", folder / "stages.json"
    if not written.exists():
        # By a process of its own: a process that this one starts counts as its peak what this one held when it started it.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            count = pool.submit(make_project, root, text, times, steps).result()
        result = {"pairs": count, "steps": steps, "stages": {}, "machine": machine(threads)}
        written.write_text(json.dumps(result), encoding="utf-8")
    result = json.loads(written.read_text(encoding="utf-8"))
    count, stages = result["pairs"], result["stages"]
    results.mkdir(parents=True, exist_ok=True)
    for stage in [name for name in ALL_STAGES if name not in stages]:
        options = [("--pair", pair) for pair in PAIRS] if stage == "mine" else [()]
        costs = [run_stage(root, stage, threads, *each) for each in options]
        seconds, peak = sum(cost.seconds for cost in costs), max(cost.peak_mib for cost in costs)
        own, cpu = max(cost.own_mib for cost in costs), sum(cost.cpu for cost in costs)
        stages[stage] = {"seconds": seconds, "cpu": cpu, "peak_mib": peak, "own_mib": own}
        print(f"{count:,} pairs, {stage}: {seconds:.1f} s, {peak:,.0f} MiB, {own:,.0f} of its own", flush=True)
        for path in (written, results / f"stages-{count}.json"):
            path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def make_project(root: Path, text: Path, times: float, steps: int) -> int:
    """Write the project and its text, which it holds in memory; returns how many pairs there are."""
    pairs = {name: repeated(read_pairs(text, name), times) for name in PAIRS}
    teacher = cheap_teacher(root.parent / "teacher")
    train = {"steps": steps, "batch_size": 512, "eval_every": steps, "checkpoint_every": steps}
    prepare = {"text": write_text(root / "text", pairs)}
    write_project(
        root,
        pairs,
        prepare=prepare,
        teacher={"model": str(teacher)},
        train=train,
        mine=MINE,
        neighborhoods=NEIGHBORHOODS,
    )
    return sum(map(len, pairs.values()))


def write_text(folder: Path, pairs: dict[str, list[tuple[str, str]]]) -> list[dict[str, str]]:
    """Write a fifth of each language's sentences as one-sided text; returns its entries of params.yaml."""
    folder.mkdir(parents=True)
    entries = {}
    for name, rows in pairs.items():
        for side, language in enumerate(name.split("-")):
            if language not in entries:
                # Not the same lines on both sides: half of each side's sentences have no translation on the other.
                lines = [row[side] for row in rows[5 * side :: 10] + rows[3::10]]
                (folder / f"{language}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
                entries[language] = {"name": language, "language": language, "path": f"text/{language}.txt"}
    return list(entries.values())


def repeated(rows: list[tuple[str, str]], times: float) -> list[tuple[str, str]]:
    """A part of the rows, or all of them and copies that differ in a word."""
    found = rows[: max(1, round(len(rows) * min(times, 1.0)))]
    for number in range(1, int(times)):
        word = chr(96 + number) * 4
        found = found + [(f"{a} {word}", f"{b} {word}") for a, b in rows]
    return found


def write_table(readme: Path, results: Path) -> None:
    """Put the table of all measured sizes between its marks."""
    found = sorted(
        (json.loads(path.read_text()) for path in results.glob("stages-*.json")), key=lambda one: one["pairs"]
    )
    if not found:
        return
    head = "".join(f" {one['pairs']:,} pairs: CPU s | MiB | of its own |" for one in found)
    lines = [f"| stage |{head}", "|---|" + "---|---|---|" * len(found)]
    for stage in ALL_STAGES:
        cells = [one["stages"].get(stage) for one in found]
        lines.append(f"| {stage} |" + "".join(map(_cells, cells)))
    put_between(readme, BEGIN, END, "\n".join(lines))


def _cells(cost: dict[str, float] | None) -> str:
    """Seconds of processors, and memory, of a stage at a size; empty where it was not run."""
    if cost is None:
        return " | | |"
    own = f"{cost['own_mib']:,.0f}" if cost["own_mib"] else "–"
    return f" {cost['cpu']:,.0f} | {cost['peak_mib']:,.0f} | {own} |"


if __name__ == "__main__":
    main()
