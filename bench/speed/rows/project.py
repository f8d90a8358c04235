"""Rows of a whole project: start-up, `dvc repro` with nothing to do, and a second run with 1 % new text."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from speed.project import STAGES, run_stage, write_pairs, write_project
from speed.rows.base import OURS, Bar, Measured, Row, Run, race
from speed.text import read_pairs
from speed.turns import Contestant, Ratio, Spent

PAIR = "en-fr"


def _seconds(run: Run, command: list[str], folder: Path, most: float) -> Measured:
    """A command's seconds against a bar in seconds, not a ratio; one run more than timed comes first."""
    options = {"command": command, "cwd": str(folder)}
    contestant = Contestant(OURS, "speed.contestants.softalign:command", options)
    spent, _ = race(run, [contestant], lambda _: {})
    ours, ones = spent[OURS], [1.0] * run.rounds
    bar = Bar("seconds", Ratio.of(ours.seconds, ones), most=most, cpu=Ratio.of(ours.cpu, ones))
    return Measured(spent, {}, [bar])


def _help(words: str, most: float) -> Callable[[Run, Mapping[str, Any]], Measured]:
    return lambda run, sizes: _seconds(run, [sys.executable, "-m", *words.split()], run.folder, most)


FIRST = tuple(
    Row(name, words, {}, _help(words, most))
    for name, words, most in (("help", "softalign --help", 0.1), ("mine-help", "softalign mine --help", 0.15))
)


def _nothing(run: Run, sizes: Mapping[str, Any]) -> Measured:
    rows = read_pairs(run.text, PAIR)[: sizes["pairs"]]
    (run.folder / "en.txt").write_text("".join(f"{a}\n" for a, _ in rows), encoding="utf-8")
    (run.folder / "fr.txt").write_text("".join(f"{b}\n" for _, b in rows), encoding="utf-8")
    root, python = run.folder / "project", Path(sys.executable)
    os.environ["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    texts = ["--src", run.folder / "en.txt", "--trg", run.folder / "fr.txt", "--languages", "en,fr"]
    subprocess.run(["git", "init", "-q", root], check=True, capture_output=True)
    subprocess.run([python, "-m", "softalign", "init", root, *texts, "--dvc"], check=True, capture_output=True)
    _shorten(root / "params.yaml")
    subprocess.run([python, "-m", "dvc", "repro"], cwd=root, check=True, capture_output=True)
    return _seconds(run, [sys.executable, "-m", "dvc", "repro"], root, 1.5)


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


LAST = (
    Row("nothing-to-do", "dvc repro with nothing to do", {"pairs": 600}, _nothing),
    Row("second-run", "a second run with 1 % new text", {"pairs": 200_000}, _second),
)
