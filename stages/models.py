"""The models that params.yaml names, as stages load them."""

from __future__ import annotations

from pathlib import Path

from pipeline.encoders.load import EncoderSettings, is_static
from pipeline.encoders.resolve import ModelFolder, resolve_model
from pipeline.encoders.tokenization import TextTokenizer, load_tokenizer
from stages.command import Project


def resolve_teacher(project: Project) -> ModelFolder:
    """The teacher's folder on this machine."""
    teacher = project.params.teacher
    return resolve_model("teacher.model", teacher.model, teacher.revision, project.layout.root, teacher.sha256)


def teacher_settings(project: Project) -> EncoderSettings:
    """How the teacher embeds."""
    teacher = project.params.teacher
    return EncoderSettings(teacher.pooling, teacher.prefix, teacher.max_length, teacher.dtype, teacher.batch_tokens)


def resolve_student(project: Project) -> ModelFolder:
    """The folder of the pretrained encoder that the student starts from."""
    student = project.params.student
    if student.model is None:
        raise ValueError(f"a student of kind {student.kind} has no folder to start from")
    return resolve_model("student.model", student.model, student.revision, project.layout.root)


def pretrained_folder(project: Project) -> Path | None:
    """The folder that the student starts from, or None if it starts from nothing."""
    return resolve_student(project).path if project.params.student.kind == "pretrained" else None


def student_tokenizer(project: Project) -> TextTokenizer:
    """The student's tokenizer as stage tokenize wrote it."""
    student = project.params.student
    folder = pretrained_folder(project)
    static = student.kind == "static" or (folder is not None and is_static(folder))
    return load_tokenizer(project.layout.tokenizer, student.prefix, student.max_length, special_tokens=not static)


def student_settings(project: Project) -> EncoderSettings:
    """How the trained student embeds."""
    student = project.params.student
    return EncoderSettings("auto", student.prefix, student.max_length, "float32", project.params.embed.batch_tokens)
