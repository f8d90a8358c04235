"""Embed the training sentences with the teacher, each unique sentence once, ever."""

from __future__ import annotations

from pipeline.artifacts.shards import count_shards
from pipeline.compute.engines import open_engine
from pipeline.compute.work import Terms
from pipeline.embedding.embed import EmbeddingModel, FolderToEmbed, embed_folders, embedding_work
from stages.inputs.models import resolve_teacher, teacher_settings
from stages.running.command import Project, stage_main, write_metrics
from stages.running.declared import check_declared
from stages.running.named_inputs import named_inputs


def run(project: Project) -> None:
    """Run the stage in a project."""
    check_declared(project, lambda: named_inputs(project, "teach"))
    params, layout = project.params, project.layout
    teacher, engine = params.teacher, open_engine(params.compute)
    model = EmbeddingModel(
        "teacher.model",
        teacher.model,
        teacher.revision,
        layout.root,
        teacher_settings(project, resolve_teacher(project)),
        layout.store,
        teacher.sha256,
    )
    folders = [
        FolderToEmbed(
            layout.tokens / "teacher" / language,
            layout.teacher / language,
            language,
            f"{layout.teacher.name}/{language}",
        )
        for language in params.teacher_languages
    ]
    shards = count_shards(folder.source for folder in folders)
    with engine.crew(embedding_work("teach", model), shards, Terms(model.content, layout.shared)) as crew:
        counts = embed_folders(crew, folders, "teach")
    metrics = {folder.language: count.metrics() for folder, count in zip(folders, counts, strict=True)}
    write_metrics(layout.metrics / "teach.json", metrics)


if __name__ == "__main__":
    stage_main("teach", run)
