"""What training reads of the language pairs: tokens, label points and their neighbourhoods, the dev set."""

from __future__ import annotations

from pipeline.artifacts.folders import TokenFolder
from pipeline.artifacts.pairs import HeldOutFolder
from pipeline.artifacts.shards import open_folder
from pipeline.labels.points import label_points
from pipeline.training.data import StoredNeighborhoods, TrainingPairs
from pipeline.training.dev import DevSet, load_dev
from stages.inputs.labels import read_labels
from stages.running.command import Project


def read_training_pairs(project: Project, tokens: dict[str, TokenFolder]) -> list[TrainingPairs]:
    """All language pairs, with the student's tokens by language."""
    training = []
    for pair in project.params.language_pairs:
        pairs, teacher_a, teacher_b = read_labels(project, pair)
        points = label_points(pairs, project.params.labels.strategy, teacher_a, teacher_b)
        training.append(
            TrainingPairs(
                name=pair.name,
                tokens_a=tokens[pair.a],
                tokens_b=tokens[pair.b],
                rows_a=tokens[pair.a].rows_of(pairs.a),
                rows_b=tokens[pair.b].rows_of(pairs.b),
                points=points,
                neighbors=StoredNeighborhoods.read(open_folder(project.layout.neighborhoods / pair.name), points.keys),
                weights=pairs.weights({corpus.name: corpus.weight for corpus in project.params.prepare.corpora}),
            )
        )
    return training


def read_dev(project: Project) -> list[DevSet]:
    """The dev set, by language pair; pairs without dev sentences are left out."""
    layout = project.layout
    folders = {
        language: TokenFolder(layout.tokens / "monolingual" / language) for language in project.params.used_languages
    }
    parts = [
        load_dev(
            pair.name,
            HeldOutFolder(layout.heldout / pair.name),
            folders[pair.a],
            folders[pair.b],
            project.params.train.dev_limit,
        )
        for pair in project.params.language_pairs
    ]
    return [part for part in parts if len(part.a)]
