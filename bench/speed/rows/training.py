"""Rows of training: single steps of a transformer student, and a static student from nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from speed.contestants.inputs import write_texts
from speed.project import STAGES, run_stages, write_project
from speed.rows.base import Measured, Row, Run, faster, race
from speed.rows.encoding import model_folder
from speed.text import read_pairs
from speed.turns import Contestant, Outputs

PAIR = "en-fr"
SEED = 20240523


def _without_dropout(folder: Path) -> Path:
    """The default teacher's folder with dropout off, so that losses can be compared."""
    shutil.copytree(model_folder(), folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def _write_batches(run: Run, train: dict[str, Any]) -> None:
    """The batches that our trainer will draw, as text, for peers."""
    from pipeline.artifacts.folders import TextFolder
    from pipeline.artifacts.pairs import PairFolder
    from pipeline.training.batches import BatchPlan
    from stages.running.command import Project

    project = Project.open(run.folder / "project")
    layout, (pair,) = project.layout, project.params.language_pairs
    pairs = PairFolder(layout.pairs / pair.name)
    plan = BatchPlan([len(pairs.a)], train["batch_size"], project.params.seed)
    sides = [(TextFolder(layout.sentences / name), keys) for name, keys in ((pair.a, pairs.a), (pair.b, pairs.b))]
    batches = []
    for step in range(train["steps"]):
        rows = plan.batch(step).rows
        batches.append([texts.select(texts.rows_of(keys[rows])) for texts, keys in sides])
    write_texts(run.folder, "batches_json", [json.dumps(batches)])


def _steps(run: Run, sizes: Mapping[str, Any], loss: str) -> dict[str, Any]:
    """Make the project; options for all contestants."""
    model = _without_dropout(run.folder / "model")
    rows = read_pairs(run.text, PAIR)[: sizes["pairs"]]
    student = {"kind": "pretrained", "model": str(model), "max_length": 128}
    root = write_project(run.folder / "project", {PAIR: rows}, student=student, teacher={"model": str(model)})
    run_stages(root, STAGES, run.threads)
    train = {
        "loss": [{"name": loss}],
        "temperature": {"teacher": 0.05, "student": 0.05},
        "batch_size": sizes["batch_size"],
        "steps": sizes["steps"],
        "eval_every": sizes["steps"],
        "checkpoint_every": 1_000_000,
        "learning_rate": 3e-5,
        "schedule": "constant",
    }
    _write_batches(run, train)
    return {
        "path": str(model), "max_length": 128, "train": train, "steps": sizes["steps"],
        "batch_size": sizes["batch_size"], "learning_rate": 3e-5, "temperature": 0.05, "schedule": "constant",
        "max_grad_norm": 0.0,
    }  # fmt: skip


def _same_loss(outputs: Outputs, ours: str, theirs: str, factor: float) -> dict[str, Any]:
    """The mean losses over the steps; theirs times ``factor`` is to be ours.

    Raises:
        AssertionError: if they differ by more than 2 %.
    """
    one, other = (float(np.mean(outputs[name]["output"])) for name in (ours, theirs))
    if abs(one - factor * other) > 0.02 * abs(one):
        raise AssertionError(f"mean loss of {ours} {one:.4f}, of {theirs} {factor} times {other:.4f}")
    return {"mean loss": {ours: one, theirs: factor * other}}


def _authors(run: Run, sizes: Mapping[str, Any]) -> Measured:
    options = _steps(run, sizes, "soft")
    contestants = [
        Contestant("softalign", "speed.contestants.training:softalign_steps", options),
        Contestant("the paper's procedure", "speed.contestants.training:authors_steps", options),
    ]
    spent, agreement = race(
        run, contestants, lambda outputs: _same_loss(outputs, "softalign", "the paper's procedure", 1.0)
    )
    bar = faster("times as fast as the paper's procedure", spent, "softalign", "the paper's procedure", 12.0)
    return Measured(spent, agreement, [bar])


STEP_AUTHORS = Row(
    "step-authors", "training steps, transformer, against the paper's procedure",
    {"pairs": 600, "batch_size": 14, "steps": 2}, _authors,
)  # fmt: skip


def _against_trainer(run: Run, sizes: Mapping[str, Any]) -> Measured:
    options = _steps(run, sizes, "hard")
    contestants = [
        Contestant("softalign", "speed.contestants.training:softalign_steps", options),
        Contestant("sentence-transformers", "speed.contestants.training:sentence_transformers_steps", options),
    ]
    # Theirs is the mean of both directions, ours their sum.
    spent, agreement = race(
        run, contestants, lambda outputs: _same_loss(outputs, "softalign", "sentence-transformers", 2.0)
    )
    bar = faster("times as fast as sentence-transformers' trainer", spent, "softalign", "sentence-transformers", 1.15)
    return Measured(spent, agreement, [bar])


STEP_TRAINER = Row(
    "step-trainer", "training steps, transformer, against sentence-transformers' trainer",
    {"pairs": 1200, "batch_size": 64, "steps": 8}, _against_trainer,
)  # fmt: skip


def _static(run: Run, sizes: Mapping[str, Any]) -> Measured:
    rows = read_pairs(run.text, PAIR)[: sizes["pairs"]]
    cheap = cheap_teacher(run.folder / "teacher")
    root = write_project(run.folder / "project", {PAIR: rows}, teacher={"model": str(cheap)})
    run_stages(root, STAGES, run.threads)
    ours = {
        "loss": [{"name": "hard"}], "temperature": {"teacher": 0.1, "student": 0.1}, "batch_size": 1024,
        "learning_rate": 5e-3, "schedule": "linear", "steps": sizes["steps"], "eval_every": sizes["eval_every"],
        "checkpoint_every": 1_000_000, "dev_limit": 1000,
    }  # fmt: skip
    theirs = {
        "tokenizer": str(root / "data" / "tokenizer" / "tokenizer.json"), "scale": 20.0, "batch_size": 2048,
        "learning_rate": 0.2, "schedule": "linear", "warmup_steps": sizes["steps"] // 10, "steps": sizes["steps"],
        "eval_every": sizes["eval_every"], "seed": SEED,
    }  # fmt: skip
    _write_static_text(run, ours["dev_limit"])
    goal = {"accuracy": sizes["accuracy"]}
    contestants = [
        Contestant("softalign", "speed.contestants.training:softalign_static", {"train": ours, **goal}),
        Contestant("sentence-transformers", "speed.contestants.training:sentence_transformers_static", theirs | goal),
    ]

    def agree(outputs: Outputs) -> dict[str, Any]:
        found = {}
        for name, output in outputs.items():
            step, accuracy = output["reached"][-1]
            if accuracy < sizes["accuracy"]:
                raise AssertionError(
                    f"{name} ends at {accuracy:.3f} after {step:.0f} steps, expected {sizes['accuracy']}"
                )
            found[name] = {"steps": int(step), "dev accuracy": round(float(accuracy), 4)}
        return found

    spent, agreement = race(run, contestants, agree)
    bars = [faster("times as fast as sentence-transformers' trainer", spent, "softalign", "sentence-transformers", 3.0)]
    return Measured(spent, agreement, bars)


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
    from pipeline.artifacts.folders import TextFolder
    from pipeline.artifacts.pairs import HeldOutFolder, PairFolder
    from stages.running.command import Project

    project = Project.open(run.folder / "project")
    layout, (pair,) = project.layout, project.params.language_pairs
    training, heldout = PairFolder(layout.pairs / pair.name), HeldOutFolder(layout.heldout / pair.name)
    rows = heldout.rows("dev")[:limit]
    texts, dev = [], []
    for name, keys, held in ((pair.a, training.a, heldout.a), (pair.b, training.b, heldout.b)):
        sentences, kept = TextFolder(layout.sentences / name), TextFolder(layout.monolingual / name)
        texts.append(sentences.select(sentences.rows_of(keys)))
        dev.append(kept.select(kept.rows_of(held[rows])))
    write_texts(run.folder, "pairs_json", [json.dumps(texts)])
    write_texts(run.folder, "dev_json", [json.dumps([dev])])


STATIC_TRAINING = Row(
    "static-training", "training of the static student to the same dev accuracy",
    {"pairs": 40_000, "accuracy": 0.95, "steps": 600, "eval_every": 10}, _static,
)  # fmt: skip
