"""The models that params.yaml names, as stages load them."""

from __future__ import annotations

from pipeline.encoders.load import EncoderSettings, is_static
from pipeline.encoders.resolve import ModelFolder, resolve_model
from pipeline.encoders.tokenization import TextTokenizer, load_tokenizer
from stages.running.command import Project


def resolve_teacher(project: Project) -> ModelFolder:
    """The teacher's folder on this machine."""
    teacher = project.params.teacher
    return resolve_model("teacher.model", teacher.model, teacher.revision, project.layout.root, teacher.sha256)


def teacher_settings(project: Project) -> EncoderSettings:
    """How the teacher embeds."""
    teacher = project.params.teacher
    return EncoderSettings(teacher.pooling, teacher.prefix, teacher.max_length, teacher.dtype, teacher.batch_tokens)


def resolve_student(project: Project) -> ModelFolder | None:
    """The pretrained encoder that the student starts from; None if it starts from nothing. Hashes the whole folder."""
    student = project.params.student
    if student.model is None:
        return None
    return resolve_model("student.model", student.model, student.revision, project.layout.root)


def resolve_start(project: Project) -> ModelFolder | None:
    """The model whose weights the student starts from: a pretrained encoder, or the teacher; None from nothing."""
    return resolve_teacher(project) if project.params.student.kind == "teacher" else resolve_student(project)


def student_tokenizer(project: Project, start: ModelFolder | None) -> TextTokenizer:
    """The student's tokenizer as stage tokenize wrote it; ``start`` is what the student starts from."""
    student = project.params.student
    static = student.kind == "static" or (start is not None and is_static(start.path))
    return load_tokenizer(project.layout.tokenizer, student.prefix, student.max_length, special_tokens=not static)


def student_settings(project: Project) -> EncoderSettings:
    """How the trained student embeds."""
    student = project.params.student
    return EncoderSettings("auto", student.prefix, student.max_length, "float32", project.params.embed.batch_tokens)
