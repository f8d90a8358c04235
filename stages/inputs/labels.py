"""The teacher's labels of a language pair, as the stages neighborhoods and train read them."""

from __future__ import annotations

from pipeline.artifacts.folders import VectorFolder
from pipeline.artifacts.pairs import PairFolder
from pipeline.ground.languages import LanguagePair
from stages.running.command import Project


def read_labels(project: Project, pair: LanguagePair) -> tuple[PairFolder, VectorFolder, VectorFolder | None]:
    """The pairs and the teacher's vectors of a language pair (of its second language only for the strategy average)."""
    layout = project.layout
    average = project.params.labels.strategy == "average"
    return (
        PairFolder(layout.pairs / pair.name),
        VectorFolder(layout.teacher / pair.a),
        VectorFolder(layout.teacher / pair.b) if average else None,
    )
