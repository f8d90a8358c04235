"""Align the corpora of documents that params.yaml names, for prepare; a stage of those projects that have such corpora."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pipeline.aligning.align import AlignOptions
from pipeline.aligning.documents import check_pairs, paired_files
from pipeline.aligning.files import BlockEmbedder, Reading, align_files
from pipeline.aligning.outputs import AlignOutputs
from pipeline.aligning.splitting import splitter
from pipeline.config.prepare import Corpus
from pipeline.console.errors import UserError
from pipeline.corpora.formats.documents import DocumentsReader, aligned_file
from pipeline.encoders.described import ModelOptions, open_model
from pipeline.evaluation.embedded import as_model
from stages.running.command import Project, stage_main, write_metrics
from stages.running.declared import check_declared
from stages.running.named_inputs import named_inputs


def run(project: Project) -> None:
    """Run the stage in a project."""
    check_declared(project, lambda: named_inputs(project, "align"))
    corpora = [
        (corpus, how) for corpus in project.params.prepare.corpora if isinstance(how := corpus.how, DocumentsReader)
    ]
    if not corpora:
        raise UserError(f"{project.layout.params}: no corpus has format documents; there is nothing to align")
    folder = project.layout.aligned
    folder.mkdir(parents=True, exist_ok=True)
    kept = {aligned_file(project.layout.root, corpus.name) for corpus, _ in corpora}
    for stale in set(folder.glob("*.parquet")) - kept:
        stale.unlink()
    write_metrics(
        project.layout.metrics / "align.json",
        {corpus.name: _aligned(project, corpus, how) for corpus, how in corpora},
    )


def _aligned(project: Project, corpus: Corpus, documents: DocumentsReader) -> dict[str, Any]:
    """Align the documents of one corpus; returns what was found, for the metrics."""
    layout, how, (a, b) = project.layout, documents.align, tuple(documents.files)
    one, other = (layout.root / place for place in documents.files.values())
    pairs, missing = paired_files(one, other, (a, b), how.allow_missing)
    check_pairs(pairs, (a, b))
    reading = Reading((a, b), corpus.encoding, (splitter(a), splitter(b)) if how.split else None, layout.root)
    options = ModelOptions(
        how.model,
        how.revision,
        how.prefix,
        how.max_length,
        how.pooling,
        how.dtype,
        prompt_name=how.prompt_name,
        store=layout.store,
        key=f"prepare.corpora: {corpus.name}: align.model",
    )
    embedder = BlockEmbedder(as_model(how.model, open_model(options, layout.root)), layout.store)
    outputs = AlignOutputs((aligned_file(layout.root, corpus.name),))
    outputs.check(pairs, (a, b))
    with tempfile.TemporaryDirectory(prefix=".", dir=layout.aligned) as work:
        search = AlignOptions(how.most, how.quantile, how.reach, how.lengths, project.params.seed)
        found = align_files(pairs, reading, embedder, search, outputs, Path(work))
    return found.as_dict() | {"missing": missing}


if __name__ == "__main__":
    stage_main("align", run)
