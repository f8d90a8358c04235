"""Turn sentences into token ids of teacher and student, and train the student's tokenizer where it has none: data/tokens."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts.shards import count_shards
from pipeline.compute.engines import open_engine
from pipeline.compute.work import Terms
from pipeline.embedding.tokenize import FolderToTokenize, text_chunks, tokenize_folders, tokenizing_work, training_texts
from pipeline.encoders.resolve import ModelFolder
from pipeline.encoders.tokenization import TOKENIZER_FILE, TextTokenizer, load_tokenizer, train_tokenizer
from pipeline.encoders.trimming import refuse_unknown_script, trimmed, vocabulary_use
from pipeline.ground.atomic import atomic_folder
from stages.inputs.models import resolve_student, resolve_teacher, student_prefix, teacher_settings
from stages.running.command import Project, stage_main, write_metrics
from stages.running.declared import check_declared
from stages.running.named_inputs import named_inputs

log = logging.getLogger(__name__)


def run(project: Project) -> None:
    """Run the stage in a project."""
    check_declared(project, lambda: named_inputs(project, "tokenize"))
    params, layout = project.params, project.layout
    engine = open_engine(params.compute)
    metrics: dict[str, Any] = {"teacher": {}, "student": {}, "monolingual": {}}
    teacher = resolve_teacher(project)
    tokenizers = {
        "teacher": load_tokenizer(teacher.path, teacher_settings(project, teacher).prefix, params.teacher.max_length),
        "student": _student_tokenizer(project, teacher, metrics),
    }

    def folder(tokenizer: str, sentences: Path, kind: str, language: str) -> FolderToTokenize:
        made_by = {"language": language, "for": kind, "artifact": f"{layout.tokens.name}/{kind}/{language}"}
        return FolderToTokenize(sentences / language, layout.tokens / kind / language, tokenizer, made_by)

    folders = [folder("teacher", layout.sentences, "teacher", language) for language in params.teacher_languages]
    for language in params.used_languages:
        folders.append(folder("student", layout.sentences, "student", language))
        folders.append(folder("student", layout.monolingual, "monolingual", language))
    work, shards = tokenizing_work(tokenizers), count_shards(each.source for each in folders)
    known = {name: tokenizer.content for name, tokenizer in tokenizers.items()}
    with engine.crew(work, shards, Terms(lambda: known, layout.shared)) as crew:
        counts = tokenize_folders(crew, folders, "tokenize")
    for each, count in zip(folders, counts, strict=True):
        metrics[each.made_by["for"]][each.made_by["language"]] = count.metrics()
    write_metrics(layout.metrics / "tokenize.json", metrics)


def _student_tokenizer(project: Project, teacher: ModelFolder, metrics: dict[str, Any]) -> TextTokenizer:
    """Train, trim or load the student's tokenizer, and write it; ``teacher`` is where a student of its layers starts."""
    params, layout = project.params, project.layout
    student, source = params.student, resolve_student(project)
    prefix = student_prefix(project, source)
    if source is not None:
        tokenizer = load_tokenizer(source.path, prefix, student.max_length)
        if student.trim_vocabulary:
            tokenizer = _trimmed(project, source, tokenizer, metrics)
    else:
        texts = training_texts(
            [layout.sentences / language for language in params.used_languages], student.tokenizer_sentences
        )
        pad = 0
        if student.kind == "teacher":
            from pipeline.encoders.transplant import padding_id  # imports torch

            pad = padding_id(teacher.path)
        trained = train_tokenizer(texts, student.vocabulary, pad)
        tokenizer = TextTokenizer(trained, prefix, student.max_length, special_tokens=student.kind != "static")
    with atomic_folder(layout.tokenizer) as folder:
        tokenizer.backend.save(str(folder / TOKENIZER_FILE))
    return tokenizer


def _trimmed(project: Project, source: ModelFolder, tokenizer: TextTokenizer, metrics: dict[str, Any]) -> TextTokenizer:
    """A pretrained student's tokenizer with what the training text uses; text to be mined is not looked at."""
    uses = [
        vocabulary_use(language, text_chunks(project.layout.sentences / language, f"vocabulary/{language}"), tokenizer)
        for language in project.params.used_languages
    ]
    refuse_unknown_script(source.name, uses)
    small = trimmed(tokenizer, uses, source.path)
    used = sum(np.logical_or.reduce([use.used for use in uses]))
    counts = {"before": len(uses[0].used), "used": int(used), "kept": small.backend.get_vocab_size()}
    metrics["vocabulary"] = counts
    log.info("tokenize: of %(before)d tokens the training text uses %(used)d; %(kept)d are kept", counts)
    return small


if __name__ == "__main__":
    stage_main("tokenize", run)
