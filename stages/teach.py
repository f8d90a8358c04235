"""Embed the training sentences with the teacher, each unique sentence once, ever."""

from __future__ import annotations

from pipeline.embedding import embed_folder
from pipeline.encoders.load import load_encoder
from pipeline.store import VectorStore
from stages.command import Project, stage_main, write_metrics
from stages.models import resolve_teacher, teacher_settings


def run(project: Project) -> None:
    """Run the stage in a project."""
    params, layout = project.params, project.layout
    encoder = load_encoder(resolve_teacher(project), teacher_settings(project))
    store = VectorStore(layout.store, encoder.identity, encoder.dimension)
    metrics = {}
    for language in params.teacher_languages:
        counts = embed_folder(
            encoder,
            layout.tokens / "teacher" / language,
            layout.teacher / language,
            language,
            store,
            f"teach {language}",
        )
        metrics[language] = counts.metrics()
    write_metrics(layout.metrics / "teach.json", metrics)


if __name__ == "__main__":
    stage_main("teach", run)
