"""The models that params.yaml names, as stages load them."""

from __future__ import annotations

from pipeline.encoders.identity import EncoderSettings
from pipeline.encoders.layout import is_static, read_layout
from pipeline.encoders.resolve import ModelFolder, resolve_model
from pipeline.encoders.tokenization import TextTokenizer, load_tokenizer
from stages.running.command import Project


def resolve_teacher(project: Project) -> ModelFolder:
    """The teacher's folder on this machine."""
    teacher, layout = project.params.teacher, project.layout
    return resolve_model("teacher.model", teacher.model, teacher.revision, layout.root, teacher.sha256, layout.store)


def teacher_settings(project: Project, folder: ModelFolder) -> EncoderSettings:
    """How the teacher embeds; ``folder`` is its own, which has its prompts."""
    teacher = project.params.teacher
    prefix = read_layout(folder.path).prompt(teacher.prompt_name, "teacher.prompt_name", teacher.prefix)
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


def student_prefix(project: Project, pretrained: ModelFolder | None) -> str:
    """What is put before the student's sentences; ``pretrained`` is the encoder that it starts from, if it does."""
    student = project.params.student
    if pretrained is None or student.kind != "pretrained":
        return student.prefix or ""
    return read_layout(pretrained.path).prompt(student.prompt_name, "student.prompt_name", student.prefix)


def student_tokenizer(project: Project, start: ModelFolder | None) -> TextTokenizer:
    """The student's tokenizer as stage tokenize wrote it; ``start`` is what the student starts from."""
    student = project.params.student
    static = student.kind == "static" or (start is not None and is_static(start.path))
    prefix = student_prefix(project, start)
    return load_tokenizer(project.layout.tokenizer, prefix, student.max_length, special_tokens=not static)


def student_settings(project: Project) -> EncoderSettings:
    """How the trained student embeds."""
    student = project.params.student
    prefix = read_layout(project.layout.student).prompt(None, "student")
    return EncoderSettings("auto", prefix, student.max_length, "float32", project.params.embed.batch_tokens)
