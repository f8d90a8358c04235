"""The models and texts that ``softalign plan --measure`` measures a project's unit costs with."""

from __future__ import annotations

import itertools

import typer

from pipeline.artifacts.shards import iterate_shards
from pipeline.encoders.layout import is_static
from pipeline.encoders.load import load_encoder
from pipeline.encoders.tokenization import TOKENIZER_FILE, TextTokenizer, load_tokenizer, train_tokenizer
from pipeline.encoders.trimming import trimmed, vocabulary_use
from pipeline.planning.measure import PlannedModels, made_up_texts, measure
from pipeline.planning.units import UnitCosts
from pipeline.training.build import build_student
from stages.inputs.models import resolve_student, resolve_teacher, student_prefix, teacher_settings
from stages.running.command import Project

TEXTS = 4_000


def measure_project(project: Project) -> UnitCosts:
    """Measure the unit costs of a project's models on this machine.

    Raises:
        UserError: if a model can't be had.
    """
    params, layout = project.params, project.layout
    typer.echo("measuring: a minute or three; the machine should have nothing else to do", err=True)
    teacher = resolve_teacher(project)
    encoder = load_encoder(teacher, teacher_settings(project, teacher))
    texts, label_texts = _texts(project, params.used_languages), _texts(project, params.teacher_languages)
    start = teacher if params.student.kind == "teacher" else resolve_student(project)
    tokenizer = _tokenizer(project, texts)
    student = build_student(params.student, tokenizer, start.path if start else None, params.seed, params.teacher)
    scratch = layout.cost("units").parent
    scratch.mkdir(parents=True, exist_ok=True)
    return measure(
        params,
        PlannedModels(encoder, student, tokenizer, texts, label_texts),
        scratch,
        lambda line: typer.echo(f"  {line}", err=True),
    )


def _texts(project: Project, languages: list[str]) -> list[str]:
    """Some of the project's own sentences, of some languages; made-up ones where prepare has not run."""
    each = TEXTS // len(languages)
    found: list[str] = []
    for language in languages:
        folder = project.layout.sentences / language
        if any(folder.glob("*.arrow")):
            shards = (shard.table.column("text").slice(0, each).to_pylist() for shard in iterate_shards(folder))
            found += itertools.islice(itertools.chain.from_iterable(shards), each)
    return found or made_up_texts(TEXTS)


def _tokenizer(project: Project, texts: list[str]) -> TextTokenizer:
    """The student's, as stage tokenize wrote it; else its model's, or one trained on the texts."""
    student, source = project.params.student, resolve_student(project)
    prefix, written = student_prefix(project, source), project.layout.tokenizer / TOKENIZER_FILE
    words = student.kind != "static" and not (source is not None and is_static(source.path))
    if written.exists() and (source is None or student.trim_vocabulary):
        return load_tokenizer(written.parent, prefix, student.max_length, special_tokens=words)
    if source is None:
        return TextTokenizer(train_tokenizer(iter(texts), student.vocabulary), prefix, student.max_length, words)
    whole = load_tokenizer(source.path, prefix, student.max_length)
    return trimmed(whole, [vocabulary_use("text", [texts], whole)], source.path) if student.trim_vocabulary else whole
