"""The paper's setting at small scale: a pretrained multilingual model as teacher and student, hard labels against soft ones.

    make paper
    python bench/paper_setting.py [--params params/e5.yaml] [--out paper]

Sentences, tokens, the teacher's vectors and neighbourhoods are made once, in ``--out``; three students share them, each in a
project of its own below it: ``before`` (the student as it starts), ``hard`` and ``soft`` (the parameters' own loss), trained
on the same batches with the same number of steps. Each embeds and mines the held-out documents; the table compares them.

Paths in the parameters are relative to ``--out``. What is finished is not done again while parameters and code are the same,
and a training that was stopped goes on.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import pipeline
from pipeline.config.params import load_params
from pipeline.ground.atomic import atomic_folder, write_text
from pipeline.ground.folder_checksums import write_checksums
from pipeline.ground.hashing import folder_hash, identity_hash
from stages.running.command import Project, reported_errors, run_in_project

ROOT = Path(pipeline.__file__).parents[1]
SHARED_STAGES = ("prepare", "tokenize", "teach", "neighborhoods")
SHARED_DATA = ("sentences", "pairs", "monolingual", "heldout", "tokens", "tokenizer", "teacher", "neighborhoods")
"""What these stages write into data/."""
LOSSES: dict[str, list[dict[str, Any]] | None] = {"before": [], "hard": [{"name": "hard"}], "soft": None}
"""What replaces ``train.loss``, by student; empty: it isn't trained; None: nothing."""


def run_all(params: Path, out: Path) -> str:
    """Run everything that isn't finished.

    Args:
        params: the parameter file.
        out: the folder of all projects.

    Returns:
        The table, as Markdown.
    """
    content = YAML(typ="safe", pure=True).load(params)
    _write_params(out, content)
    for name in SHARED_STAGES:
        _once(out, name, _stage(name))
    for student, loss in LOSSES.items():
        folder = out / student
        changed = {**content, "train": {**content["train"], "loss": loss}} if loss else content
        _write_params(folder, changed)
        for name in SHARED_DATA:
            _link(out / "data" / name, folder / "data" / name)
        _once(folder, "train", _save_start if loss == [] else _stage("train"))
        _once(folder, "embed", _stage("embed"))
        for pair in load_params(folder / "params.yaml").pairs:
            _once(folder, f"mine-{pair}", _stage("mine", pair))
        _once(folder, "evaluate", _stage("evaluate"))
    found = {student: json.loads((out / student / "metrics" / "heldout.json").read_text()) for student in LOSSES}
    return table(found)


def table(found: dict[str, dict[str, Any]]) -> str:
    """Held-out retrieval and mining by student, in per cent."""
    pairs = list(next(iter(found.values()))["retrieval"]["pairs"])
    lines = [
        f"| | {' | '.join(f'retrieval {pair}' for pair in pairs)} | mean | mining F1, mean |",
        "|---" * (len(pairs) + 3) + "|",
    ]
    for student, metrics in found.items():
        retrieval = metrics["retrieval"]
        scores = [retrieval["pairs"][pair]["accuracy"] for pair in pairs] + [
            retrieval["mean"],
            metrics["mining"]["mean_f1"],
        ]
        lines.append(f"| {student} | {' | '.join(f'{100 * score:.1f}' for score in scores)} |")
    return "\n".join(lines) + "\n"


def _stage(name: str, *more: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        stage = importlib.import_module(f"stages.{name}").run
        run_in_project("-".join((name, *more)), lambda project: stage(project, *more), folder)

    return run


def _save_start(folder: Path) -> None:
    """The student as training starts from it, where stage train would write it."""
    from pipeline.encoders.load import save_encoder
    from pipeline.training.build import build_student
    from stages.inputs.models import resolve_start, student_tokenizer

    project = Project.open(folder)
    params, start = project.params, resolve_start(project)
    tokenizer = student_tokenizer(project, start)
    model = build_student(params.student, tokenizer, start.path if start else None, params.seed, params.teacher)
    with atomic_folder(project.layout.student) as made:
        save_encoder(model, tokenizer, made)
        write_checksums(made)


def _once(folder: Path, name: str, run: Callable[[Path], None]) -> None:
    """Run a stage of a project, unless it has run with the same parameters and code."""
    code = [folder_hash(ROOT / room, ("**/*.py",)) for room in ("pipeline", "stages")]
    wanted = identity_hash({"params": (folder / "params.yaml").read_text(encoding="utf-8"), "code": code})
    note = folder / "done" / name
    if note.is_file() and note.read_text(encoding="utf-8") == wanted:
        return
    run(folder)
    write_text(note, wanted)


def _write_params(folder: Path, content: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "params.yaml").open("w", encoding="utf-8") as opened:
        YAML().dump(content, opened)


def _link(target: Path, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(target.resolve(), target_is_directory=True)


def main() -> None:
    """Run, print the table, keep it beside the students."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=ROOT / "params" / "e5.yaml")
    parser.add_argument("--out", type=Path, default=ROOT / "paper")
    options = parser.parse_args()
    # One store for all projects: no sentence is embedded twice, and the converted model is there once.
    os.environ.setdefault("SOFTALIGN_STORE", str((options.out / "data" / "store").resolve()))
    with reported_errors(debug=False):
        found = run_all(options.params, options.out)
        write_text(options.out / "table.md", found)
    print(found, end="")


if __name__ == "__main__":
    main()
