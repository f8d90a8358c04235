"""The models that params.yaml names, as stages load them."""

from __future__ import annotations

from pipeline.encoders.described import own_prompt
from pipeline.encoders.load import EncoderSettings, is_static
from pipeline.encoders.resolve import ModelFolder, resolve_model
from pipeline.encoders.tokenization import TextTokenizer, load_tokenizer
from stages.running.command import Project


def resolve_teacher(project: Project) -> ModelFolder:
    """The teacher's folder on this machine."""
    teacher, layout = project.params.teacher, project.layout
    return resolve_model("teacher.model", teacher.model, teacher.revision, layout.root, teacher.sha256, layout.store)


def teacher_settings(project: Project) -> EncoderSettings:
    """How the teacher embeds; where params.yaml says no prefix, with its own default prompt."""
    teacher = project.params.teacher
    prefix = own_prompt(resolve_teacher(project).path) if teacher.prefix is None else teacher.prefix
    return EncoderSettings(teacher.pooling, prefix, teacher.max_length, teacher.dtype, teacher.batch_tokens)


def resolve_student(project: Project) -> ModelFolder | None:
    """The pretrained encoder that the student starts from; None if it starts from nothing. Hashes the whole folder."""
    student = project.params.student
    if student.model is None:
        return None
    layout = project.layout
    return resolve_model("student.model", student.model, student.revision, layout.root, store=layout.store)


def resolve_start(project: Project) -> ModelFolder | None:
    """The model whose weights the student starts from: a pretrained encoder, or the teacher; None from nothing."""
    return resolve_teacher(project) if project.params.student.kind == "teacher" else resolve_student(project)


def student_prefix(project: Project, start: ModelFolder | None) -> str:
    """What stands before every sentence of the student's: what params.yaml says, else its start's default prompt.

    A student with the teacher's layers has token vectors of its own, and no prompt that it was taught with.
    """
    student = project.params.student
    if student.prefix is not None:
        return student.prefix
    return own_prompt(start.path) if start is not None and student.kind == "pretrained" else ""


def student_tokenizer(project: Project, start: ModelFolder | None) -> TextTokenizer:
    """The student's tokenizer as stage tokenize wrote it; ``start`` is what the student starts from."""
    student = project.params.student
    static = student.kind == "static" or (start is not None and is_static(start.path))
    prefix = student_prefix(project, start)
    return load_tokenizer(project.layout.tokenizer, prefix, student.max_length, special_tokens=not static)


def student_settings(project: Project) -> EncoderSettings:
    """How the trained student embeds: the prefix that it was trained with is its folder's default prompt."""
    student, layout = project.params.student, project.layout
    prefix = own_prompt(layout.student) if student.prefix is None else student.prefix
    return EncoderSettings("auto", prefix, student.max_length, "float32", project.params.embed.batch_tokens)
