"""The part of stage evaluate that measures the student and its peers on benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.config.evaluate import Peer
from pipeline.encoders.base import ENCODER_VERSION
from pipeline.encoders.load import ModelEncoder, default_device, load_encoder
from pipeline.encoders.resolve import resolve_model
from pipeline.evaluation.cleanliness import stored_sentences
from pipeline.evaluation.embedded import MeasuredModel, as_model
from pipeline.evaluation.peers import open_peer
from pipeline.evaluation.reading import read_files
from pipeline.evaluation.run import Evaluation, seen_in, summary
from pipeline.training.build import build_student
from stages.inputs.models import (
    resolve_start,
    resolve_teacher,
    student_settings,
    student_tokenizer,
    teacher_settings,
)
from stages.running.command import Project

TASKS = 24
"""Tasks of a benchmark in the metrics: FLORES in 200 languages has 19,900, which no table of `dvc metrics` can show."""


def run_benchmarks(project: Project, folder: Path) -> dict[str, Any]:
    """Measure the student and all peers, one model in memory at a time.

    Holds the benchmarks' sentences and one model's vectors of them; training sentences are streamed.

    Args:
        project: the project, whose stages up to train have run.
        folder: where each model's results are written: ``<name>.json`` and ``<name>.items.parquet``.

    Returns:
        Metrics ``benchmarks`` (the student's) and ``peers``.

    Raises:
        UserError: if a benchmark or a model can't be used.
    """
    params, layout = project.params, project.layout
    benchmarks = tuple(
        read_files(one, layout.root / one.path, one.languages or params.used_languages)
        for one in params.evaluate.benchmarks
    )
    training = stored_sentences(layout.sentences / language for language in params.used_languages)
    seen = seen_in(benchmarks, training, params.evaluate.near)
    evaluation = Evaluation(benchmarks, params.evaluate.bootstrap, params.seed, layout.store, seen)
    metrics = {"benchmarks": _measure(evaluation, folder, own_model(project, "student"))}
    peers = {}
    for peer in params.evaluate.peers:
        model = open_peer(peer, layout.root, lambda which: own_model(project, which), layout.store)
        scores = _measure(evaluation, folder, model, _languages(project, peer))
        peers[peer.name] = {name: _without_tasks(score) for name, score in scores.items()}
    return {**metrics, "peers": peers} if peers else metrics


def _measure(
    evaluation: Evaluation, folder: Path, model: MeasuredModel, languages: Sequence[str] = ()
) -> dict[str, Any]:
    scores = evaluation.scores(model, languages)
    evaluation.write(folder / f"{model.name}.json", model, scores)
    found = summary(scores)
    return {
        name: score if len(score.get("tasks", ())) <= TASKS else _without_tasks(score) for name, score in found.items()
    }


def _without_tasks(score: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in score.items() if key != "tasks"}


def _languages(project: Project, peer: Peer) -> list[str]:
    return peer.languages or (project.params.teacher_languages if peer.own == "teacher" else [])


def own_model(project: Project, which: str) -> MeasuredModel:
    """The student, the teacher, or the student before training.

    Args:
        project: the student is trained.
        which: ``student``, ``teacher`` or ``untrained``.

    Raises:
        UserError: if it can't be loaded.
    """
    if which == "teacher":
        teacher = resolve_teacher(project)
        return as_model(which, load_encoder(teacher, teacher_settings(project, teacher)))
    if which == "student":
        source = resolve_model("models/student", str(project.layout.student.resolve()), None, project.layout.root)
        return as_model(which, load_encoder(source, student_settings(project)))
    return as_model(which, _untrained(project))


def _untrained(project: Project) -> ModelEncoder:
    """The student as training starts from it. Its identity is what makes it: there is no folder of its own to hash."""
    params, start = project.params, resolve_start(project)
    tokenizer = student_tokenizer(project, start)
    model = build_student(params.student, tokenizer, start.path if start else None, params.seed, params.teacher)
    model.eval().to(default_device())
    import torch
    import transformers

    identity = {
        "encoder": ENCODER_VERSION,
        "model": "student before training",
        "student": params.student.model_dump(mode="json"),
        "start": start.content if start else None,
        "pooling": params.teacher.pooling,
        "seed": params.seed,
        "tokenizer": tokenizer.content,
        "device": default_device().type,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    return ModelEncoder(model, tokenizer, identity, params.embed.batch_tokens)
