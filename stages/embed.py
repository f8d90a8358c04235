"""Embed the text to be mined with the trained student."""

from __future__ import annotations

from pipeline.embedding import embed_folder
from pipeline.encoders.load import load_encoder
from pipeline.encoders.resolve import resolve_model
from pipeline.store import VectorStore
from stages.command import Project, stage_main, write_metrics
from stages.models import student_settings


def run(project: Project) -> None:
    """Run the stage in a project."""
    params, layout = project.params, project.layout
    source = resolve_model("models/student", str(layout.student.relative_to(layout.root)), None, layout.root)
    encoder = load_encoder(source, student_settings(project))
    # A static student embeds faster than a store is read; for a transformer a stop must not cost the work done.
    store = None if params.student.kind == "static" else VectorStore(layout.store, encoder.identity, encoder.dimension)
    metrics = {}
    for language in params.used_languages:
        counts = embed_folder(
            encoder,
            layout.tokens / "monolingual" / language,
            layout.embeddings / language,
            language,
            store,
            f"embed {language}",
        )
        metrics[language] = {"sentences": counts.sentences}
    write_metrics(layout.metrics / "embed.json", metrics)


if __name__ == "__main__":
    stage_main("embed", run)
