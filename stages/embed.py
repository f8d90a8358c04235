"""Embed the text to be mined with the trained student."""

from __future__ import annotations

from pipeline.artifacts.shards import count_shards
from pipeline.compute.engines import open_engine
from pipeline.compute.work import Terms
from pipeline.embedding.embed import EmbeddingModel, FolderToEmbed, embed_folders, embedding_work
from stages.inputs.models import student_settings
from stages.running.command import Project, stage_main, write_metrics


def run(project: Project) -> None:
    """Run the stage in a project."""
    params, layout = project.params, project.layout
    engine = open_engine(params.compute)
    # A static student embeds faster than a store is read; for a transformer a stop must not cost the work done.
    store = None if params.student.kind == "static" else layout.store
    student = str(layout.student.relative_to(layout.root))
    model = EmbeddingModel("models/student", student, None, layout.root, student_settings(project), store)
    folders = [
        FolderToEmbed(
            layout.tokens / "monolingual" / language,
            layout.embeddings / language,
            language,
            f"{layout.embeddings.name}/{language}",
        )
        for language in params.used_languages
    ]
    shards = count_shards(folder.source for folder in folders)
    with engine.crew(embedding_work("embed", model), shards, Terms(model.content, layout.shared)) as crew:
        counts = embed_folders(crew, folders, "embed")
    metrics = {folder.language: {"sentences": count.sentences} for folder, count in zip(folders, counts, strict=True)}
    write_metrics(layout.metrics / "embed.json", metrics)


if __name__ == "__main__":
    stage_main("embed", run)
