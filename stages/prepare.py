"""Read the corpora, clean them, split off held-out documents: data/sentences, data/pairs, data/heldout."""

from __future__ import annotations

import logging

from pipeline.compute.engines import open_engine
from pipeline.config.base import plugins
from pipeline.prepare.prepare import PrepareOutputs, prepare
from stages.running.command import Project, stage_main, write_metrics
from stages.running.corpus_inputs import corpus_inputs
from stages.running.declared import check_declared

log = logging.getLogger(__name__)


def run(project: Project) -> None:
    """Run the stage in a project."""
    check_declared(project, lambda: corpus_inputs(project))
    layout = project.layout
    outputs = PrepareOutputs(
        sentences=layout.sentences,
        pairs=layout.pairs,
        monolingual=layout.monolingual,
        heldout=layout.heldout,
        rejects=layout.rejects,
    )
    engine = open_engine(project.params.compute)
    metrics = prepare(project.params, layout.root, outputs, engine, layout.shared)
    for note in metrics["notes"]:
        log.warning("prepare: %s", note)
    if brought := plugins(*project.params.prepare.corpora, *project.params.prepare.text):
        metrics["plugins"] = brought
    write_metrics(layout.metrics / "prepare.json", metrics)


if __name__ == "__main__":
    stage_main("prepare", run)
