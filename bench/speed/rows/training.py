"""Rows of training: single steps of a transformer student, and a static student from nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from speed.contestants import read, write
from speed.project import STAGES, run_stages, write_project
from speed.rows.base import OURS, SBERT, Measured, Row, Run, duel, faster, race
from speed.rows.encoding import matrix_product, matrix_share, model_folder, transformer_flop
from speed.text import SEED, read_pairs
from speed.turns import Contestant, Outputs

PAIR = "en-fr"
PAPER = "the paper's procedure"
OUR_STEPS = "speed.contestants.softalign:steps"


def _opened(run: Run) -> tuple[Any, Any]:
    """The row's project, and its training pairs' keys."""
    from pipeline.artifacts.pairs import PairFolder
    from stages.running.command import Project

    project = Project.open(run.folder / "project")
    return project, PairFolder(project.layout.pairs / PAIR)


def _texts(folder: Path, keys: Any) -> list[str]:
    from pipeline.artifacts.folders import TextFolder

    opened = TextFolder(folder)
    found: list[str] = opened.select(opened.rows_of(keys))
    return found


def _start(folder: Path, layers: int | None) -> None:
    """The default teacher without dropout; its layers are repeated until there are so many."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(model_folder(), folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    names = ["config.json"]
    if layers is not None:
        own, config["num_hidden_layers"] = config["num_hidden_layers"], layers
        names.append("model.safetensors")
        weights, prefix = load_file(folder / names[1]), "encoder.layer"
        for at in range(own, layers):
            like = f"{prefix}.{at % own}."
            found = {key: value for key, value in weights.items() if key.startswith(like)}
            weights |= {f"{prefix}.{at}.{key.removeprefix(like)}": value.clone() for key, value in found.items()}
    for name in names:
        (folder / name).unlink()  # it may be a link to the package's own
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if layers is not None:
        save_file(weights, folder / "model.safetensors", {"format": "pt"})


def _steps(run: Run, sizes: Mapping[str, Any], loss: str) -> dict[str, Any]:
    """Make a project without dropout, so that losses can be compared, and its batches; returns all contestants' options."""
    from pipeline.training.batches import BatchPlan

    model, settings = run.folder / "model", {"batch_size": sizes["batch_size"], "steps": sizes["steps"]}
    _start(model, sizes.get("layers"))
    settings |= {"learning_rate": 3e-5, "schedule": "constant"}
    student = {"kind": "pretrained", "model": str(model), "max_length": 128}
    rows = read_pairs(run.text, PAIR)[: sizes["pairs"]]
    root = write_project(run.folder / "project", {PAIR: rows}, student=student, teacher={"model": str(model)})
    run_stages(root, STAGES, run.threads)
    # The batches that our trainer will draw, as text, for the peer.
    project, pairs = _opened(run)
    plan = BatchPlan([len(pairs.a)], sizes["batch_size"], project.params.seed)
    drawn = [plan.batch(step).rows for step in range(sizes["steps"])]
    sides = [
        (project.layout.sentences / name, keys) for name, keys in zip(PAIR.split("-"), (pairs.a, pairs.b), strict=True)
    ]
    write(run.folder, "batches", [[_texts(folder, keys[rows]) for folder, keys in sides] for rows in drawn])
    never = {"eval_every": sizes["steps"], "checkpoint_every": 1_000_000}
    train = {"loss": [{"name": loss}], "temperature": {"teacher": 0.05, "student": 0.05}, **never, **settings}
    return {
        "path": str(model),
        "max_length": 128,
        "train": train,
        "temperature": 0.05,
        "max_grad_norm": 0.0,
        **settings,
    }


def _same_loss(outputs: Outputs, ours: str, theirs: str) -> dict[str, Any]:
    """The mean losses over the steps; sentence-transformers' is the mean of both directions, ours is their sum.

    Raises:
        AssertionError: if they differ by more than 2 %.
    """
    one, other = (float(np.mean(outputs[name]["output"])) for name in (ours, theirs))
    other *= 2.0 if theirs == SBERT else 1.0
    if abs(one - other) > 0.02 * abs(one):
        raise AssertionError(f"mean loss of {ours} {one:.4f}, of {theirs} {other:.4f}, as a sum of both directions")
    return {"mean loss": {ours: one, theirs: other}}


def _against_paper(run: Run, sizes: Mapping[str, Any]) -> Measured:
    theirs = (PAPER, "speed.contestants.paper:steps")
    return duel(run, OUR_STEPS, theirs, _steps(run, sizes, "soft"), _same_loss, (f"times as fast as {PAPER}", 12.0))


def _against_trainer(run: Run, sizes: Mapping[str, Any]) -> Measured:
    options = _steps(run, sizes, "hard")
    contestants = [
        Contestant(OURS, OUR_STEPS, options),
        Contestant(SBERT, "speed.contestants.sentence_transformers:steps", options),
        matrix_product(),
    ]
    spent, agreement = race(run, contestants, lambda outputs: _same_loss(outputs, OURS, SBERT))
    texts = [text for batch in read({"folder": run.folder}, "batches") for side in batch for text in side]
    # Backwards, each product is two: for the gradient of either side.
    flop = 3 * transformer_flop(texts, Path(options["path"]), options["max_length"])
    bars = [faster(f"times as fast as {SBERT}' trainer", spent, OURS, SBERT, 1.15)]
    return Measured(
        spent,
        agreement,
        bars + [matrix_share(spent, name, flop, least) for name, least in ((OURS, 0.75), (SBERT, None))],
    )


def _static(run: Run, sizes: Mapping[str, Any]) -> Measured:
    rows = read_pairs(run.text, PAIR)[: sizes["pairs"]]
    cheap = cheap_teacher(run.folder / "teacher")
    root = write_project(run.folder / "project", {PAIR: rows}, teacher={"model": str(cheap)})
    run_stages(root, STAGES, run.threads)
    shared = {"steps": sizes["steps"], "eval_every": sizes["eval_every"], "schedule": "linear"}
    ours = {
        "loss": [{"name": "hard"}], "temperature": {"teacher": 0.1, "student": 0.1}, "batch_size": 1024,
        "learning_rate": 5e-3, "checkpoint_every": 1_000_000, "dev_limit": 1000, **shared,
    }  # fmt: skip
    theirs = {
        "tokenizer": str(root / "data" / "tokenizer" / "tokenizer.json"), "scale": 20.0, "batch_size": 2048,
        "learning_rate": 0.2, "warmup_steps": sizes["steps"] // 10, "seed": SEED, **shared,
    }  # fmt: skip
    _write_static_text(run, ours["dev_limit"])
    options = {"train": ours, **theirs, "accuracy": sizes["accuracy"]}

    def agree(outputs: Outputs, *names: str) -> dict[str, Any]:
        found = {}
        for name in names:
            step, reached = outputs[name]["reached"][-1]
            if reached < sizes["accuracy"]:
                raise AssertionError(f"{name} ends at {reached:.3f} after {step:.0f} steps, not at {sizes['accuracy']}")
            found[name] = {"steps": int(step), "dev accuracy": round(float(reached), 4)}
        return found

    peer = (SBERT, "speed.contestants.sentence_transformers:static_training")
    bar = (f"times as fast as {SBERT}' trainer", 3.0)
    return duel(run, "speed.contestants.softalign:static_training", peer, options, agree, bar)


def cheap_teacher(folder: Path) -> Path:
    """A static model made of the default teacher's token vectors: a teacher that costs nothing, of real similarities."""
    from safetensors.torch import load_file

    from pipeline.encoders.load import save_encoder
    from pipeline.encoders.model import StaticModel
    from pipeline.encoders.tokenization import load_tokenizer

    source = model_folder()
    weight = load_file(source / "model.safetensors")["embeddings.word_embeddings.weight"]
    folder.mkdir(parents=True, exist_ok=True)
    save_encoder(StaticModel(weight), load_tokenizer(source, "", 128, special_tokens=False), folder)
    return folder


def _write_static_text(run: Run, limit: int) -> None:
    """Training pairs and dev set as text, for the peer."""
    from pipeline.artifacts.pairs import HeldOutFolder

    project, pairs = _opened(run)
    layout, heldout = project.layout, HeldOutFolder(project.layout.heldout / PAIR)
    rows = heldout.rows("dev")[:limit]
    a, b = PAIR.split("-")
    write(run.folder, "pairs", [_texts(layout.sentences / a, pairs.a), _texts(layout.sentences / b, pairs.b)])
    dev = [_texts(layout.monolingual / a, heldout.a[rows]), _texts(layout.monolingual / b, heldout.b[rows])]
    write(run.folder, "dev", dev)


STEPS = "training steps, transformer, against"
ROWS = (
    Row("step-authors", f"{STEPS} {PAPER}", {"pairs": 600, "batch_size": 14, "steps": 2}, _against_paper),
    Row("step-trainer", f"{STEPS} {SBERT}' trainer",
        {"pairs": 1200, "batch_size": 64, "steps": 8, "layers": 12}, _against_trainer),
    Row("static-training", "training of the static student to the same dev accuracy",
        {"pairs": 40_000, "accuracy": 0.95, "steps": 600, "eval_every": 10}, _static),
)  # fmt: skip
