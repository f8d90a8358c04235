"""Find every label point's nearest points over the whole corpus, with their soft-label weights: data/neighborhoods."""

from __future__ import annotations

from pipeline.labels.neighborhoods import write_neighborhoods
from pipeline.labels.points import label_points
from stages.inputs.labels import read_labels
from stages.running.command import Project, stage_main, write_metrics


def run(project: Project) -> None:
    """Run the stage in a project."""
    params, layout = project.params, project.layout
    metrics = {}
    for pair in params.language_pairs:
        pairs, teacher_a, teacher_b = read_labels(project, pair)
        points = label_points(pairs, params.labels.strategy, teacher_a, teacher_b)
        metrics[pair.name] = write_neighborhoods(
            points,
            params.neighborhoods,
            layout.neighborhoods / pair.name,
            params.prepare.shard_rows,
            {
                "pair": pair.name,
                "encoder": teacher_a.made_by["encoder"],
                "artifact": f"{layout.neighborhoods.name}/{pair.name}",
            },
            f"neighborhoods {pair.name}",
        )
    write_metrics(layout.metrics / "neighborhoods.json", metrics)


if __name__ == "__main__":
    stage_main("neighborhoods", run)
