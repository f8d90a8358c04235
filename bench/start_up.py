"""What commands and stages cost that have nothing to do: processor seconds (user and system) of whole processes, by turns.

    python bench/start_up.py PROJECT [--against CHECKOUT] [--rounds 15]

PROJECT is a folder in which every stage has run; its stages are run again, and write what they wrote. CHECKOUT is a clone of
another version of softalign, measured beside this one. One thread. The best of the rounds counts: other work on the machine
only adds.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

PYTHON = sys.executable
ALONE = {"python -c pass": [PYTHON, "-c", "pass"], "import typer": [PYTHON, "-c", "import typer"]}
"""What nothing of ours is in."""


def commands(project: Path) -> Iterator[tuple[str, list[str]]]:
    """What is measured of each version: a name, and the words."""
    from pipeline.config.params import load_params
    from softalign.projects.stages import stage_names

    for words in (["--help"], ["mine", "--help"], ["verify", "--help"]):
        yield " ".join(["softalign", *words]), [PYTHON, "-m", "softalign", *words]
    pair = load_params(project / "params.yaml").pairs[0]
    for name in stage_names():
        yield f"stage {name}", [PYTHON, "-m", f"stages.{name}", *(["--pair", pair] if name == "mine" else [])]
    if (project / "dvc.lock").is_file():
        yield "dvc repro", [PYTHON, "-m", "dvc", "repro"]


def spent(command: list[str], project: Path, version: Path) -> float:
    """Processor seconds of one run."""
    environment = {**os.environ, "PYTHONPATH": str(version), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    versions = [*([options.against.resolve()] if options.against else []), ROOT]
    listed = [*ALONE.items(), *commands(options.project)]
    # Once more than is counted: the first run writes bytecode.
    best = {(name, version): float("inf") for name, _ in listed for version in versions}
    for turn in range(options.rounds + 1):
        for name, command in listed:
            for version in versions:
                seconds = spent(command, options.project, version)
                if turn:
                    best[name, version] = min(best[name, version], seconds)
    for name, _ in listed:
        print(f"| {name} | {' | '.join(f'{best[name, version]:.2f}' for version in versions)} |")


if __name__ == "__main__":
    main()
