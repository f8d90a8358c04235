"""Rows of a whole project: start-up with nothing to do, and a second run with 1 % new text."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from speed.project import STAGES, run_stage, write_pairs, write_project
from speed.rows.base import Bar, Measured, Row, Run, race
from speed.text import read_pairs
from speed.turns import Contestant, Ratio, Spent

PAIR = "en-fr"
COMMAND = "speed.contestants.softalign:command"
COMMANDS = {"--help": 0.1, "mine --help": 0.15, "verify --help": 0.15}
"""softalign's commands, and how many seconds each may take."""
STAGES_AGAIN = {"prepare", "tokenize", "teach", "evaluate"}
"""Stages that find most of their work done when they are run by hand once more; the others do it again."""
REPRO, STAGE = 1.5, 1.0
"""Seconds that `dvc repro` with nothing to do may take, and one of these stages."""


def _start_up(run: Run, sizes: Mapping[str, Any]) -> Measured:
    """Whole processes: commands, `dvc repro` with nothing to do, then the stages once more, which write what they wrote."""
    from softalign.projects.stages import stage_names

    root = _finished(run, sizes["pairs"])
    most = {f"softalign {words}": seconds for words, seconds in COMMANDS.items()}
    commands = {f"softalign {words}": ["softalign", *words.split()] for words in COMMANDS}
    most["dvc repro"], commands["dvc repro"] = REPRO, ["dvc", "repro"]
    # DVC hashes anew what stages wrote again, so these come behind it.
    stages = {
        f"stage {name}": [f"stages.{name}", *(["--pair", PAIR] if name == "mine" else [])] for name in stage_names()
    }
    spent: dict[str, Spent] = {}
    for turn in (commands, stages):
        contestants = [
            Contestant(name, COMMAND, {"command": [sys.executable, "-m", *words], "cwd": str(root)})
            for name, words in turn.items()
        ]
        spent |= race(run, contestants, lambda _: {})[0]
    most |= {f"stage {name}": STAGE for name in STAGES_AGAIN}
    ones = [1.0] * run.rounds
    bars = [
        Bar(f"{name}, seconds", Ratio.of(of.seconds, ones), most=most.get(name), cpu=Ratio.of(of.cpu, ones))
        for name, of in spent.items()
    ]
    return Measured(spent, {}, bars)


def _finished(run: Run, pairs: int) -> Path:
    """A project of so many pairs as `softalign init --dvc` makes it, in which everything has run."""
    rows = read_pairs(run.text, PAIR)[:pairs]
    for name, side in zip(PAIR.split("-"), zip(*rows, strict=True), strict=True):
        (run.folder / f"{name}.txt").write_text("".join(f"{text}\n" for text in side), encoding="utf-8")
    root, python = run.folder / "project", Path(sys.executable)
    os.environ["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    texts = ["--src", run.folder / "en.txt", "--trg", run.folder / "fr.txt", "--languages", "en,fr"]
    subprocess.run(["git", "init", "-q", root], check=True, capture_output=True)
    subprocess.run([python, "-m", "softalign", "init", root, *texts, "--dvc"], check=True, capture_output=True)
    _shorten(root / "params.yaml")
    subprocess.run([python, "-m", "dvc", "repro"], cwd=root, check=True, capture_output=True)
    return root


def _shorten(params: Path) -> None:
    """Train a few steps only: this row looks at what comes after."""
    yaml = YAML()
    values = yaml.load(params)
    values["train"] |= {"steps": 20, "eval_every": 20, "checkpoint_every": 20}
    yaml.dump(values, params)


def _second(run: Run, sizes: Mapping[str, Any]) -> Measured:
    rows = read_pairs(run.text, PAIR)
    old, new = rows[: sizes["pairs"]], rows[sizes["pairs"] : sizes["pairs"] + max(1, sizes["pairs"] // 100)]
    root = write_project(run.folder / "project", {PAIR: old})
    spent: dict[str, Spent] = {}
    for name, text in (("first run", old), ("second run", old + new)):
        write_pairs(root / "text" / f"{PAIR}.tsv", text)
        for stage in STAGES:
            cost = run_stage(root, stage, run.threads)
            part = spent.setdefault(f"{name}, {stage}", Spent())
            part.seconds.append(cost.seconds)
            part.cpu.append(cost.cpu)
            part.peak_mib = cost.peak_mib
    shutil.rmtree(root)
    bars = [
        _share("teach: share of the first run's time", spent, ("teach",), 0.05),
        _share("everything before train: share of the first run's time", spent, STAGES, 0.20),
    ]
    return Measured(spent, {"pairs": len(old), "new pairs": len(new)}, bars)


def _share(title: str, spent: Mapping[str, Spent], stages: tuple[str, ...], most: float) -> Bar:
    sums = {
        (run, kind): [sum(getattr(spent[f"{run} run, {stage}"], kind)[0] for stage in stages)]
        for run in ("first", "second")
        for kind in ("seconds", "cpu")
    }
    wall, cpu = (Ratio.of(sums["second", kind], sums["first", kind]) for kind in ("seconds", "cpu"))
    return Bar(title, wall, most=most, cpu=cpu)


ROWS = (
    Row("start-up", "start-up, with nothing to do", {"pairs": 600}, _start_up),
    Row("second-run", "a second run with 1 % new text", {"pairs": 200_000}, _second),
)
