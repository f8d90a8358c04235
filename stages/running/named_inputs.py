"""What a stage reads besides what other stages wrote: the files and folders that params.yaml names.

The one place that knows, for `stages.running.declared` to compare with dvc.yaml; prepare's corpora are found by
`stages.running.corpus_inputs`, which needs their readers. A model or a dataset on the hub and an installed package are no
files of the project's: ``revision``, ``sha256`` and requirements.lock hold on to these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.base import Choice
from stages.running.command import Project

PACKAGE = "package:"


@dataclass(frozen=True)
class Input:
    """What one entry of params.yaml makes a stage read.

    Attributes:
        key: the entry.
        files: files, or folders that are read as a whole.
        folders: folders in which a glob (or a folder of texts) finds its files: a new file there is read as well.
        decides: whether results depend on it as on any input; if not, it is only mentioned.
    """

    key: str
    files: tuple[Path, ...]
    folders: tuple[Path, ...] = ()
    decides: bool = True


def named_inputs(project: Project, stage: str) -> list[Input]:
    """What a stage other than prepare reads that params.yaml names; paths begin with the project's folder, or are absolute.

    Args:
        project: the project, of which the parameters are read.
        stage: ``align``, ``tokenize``, ``teach``, ``train``, ``evaluate``, ``report``; others read nothing of the kind.
    """
    kinds: dict[str, tuple[Callable[[Project], Iterator[Input]], ...]] = {
        "align": (_documents,),
        "tokenize": (_teacher, _student),
        "teach": (_teacher,),
        "train": (_start, _losses, _accelerate),
        "evaluate": (_benchmarks, _peers),
        "report": (_judgements,),
    }
    return [found for kind in kinds.get(stage, ()) for found in kind(project)]


def _model(project: Project, key: str, model: str | None) -> Iterator[Input]:
    """A model, where it is a folder."""
    if model is not None and not model.startswith(PACKAGE) and (folder := project.layout.root / model).is_dir():
        yield Input(key, (folder,))


def _documents(project: Project) -> Iterator[Input]:
    """Corpora of documents, and the models that align them."""
    from pipeline.corpora.formats.documents import DocumentsReader  # imports polars, which most stages don't need

    for corpus in project.params.prepare.corpora:
        if isinstance(how := corpus.how, DocumentsReader):
            key = f"prepare.corpora: {corpus.name}"
            yield Input(key, tuple(project.layout.root / place for place in how.files.values()))
            yield from _model(project, f"{key}: align.model", how.align.model)


def _teacher(project: Project) -> Iterator[Input]:
    yield from _model(project, "teacher.model", project.params.teacher.model)


def _student(project: Project) -> Iterator[Input]:
    yield from _model(project, "student.model", project.params.student.model)


def _start(project: Project) -> Iterator[Input]:
    """What training starts from."""
    yield from _teacher(project) if project.params.student.kind == "teacher" else _student(project)


def plugin_input(project: Project, key: str, chosen: Choice) -> Iterator[Input]:
    """The code of an installed package that brings what an entry names: an input like a file, if it lies in the project."""
    if (origin := chosen.origin) is not None:
        inside = origin.place.resolve().is_relative_to(project.layout.root.resolve())
        yield Input(f"{key} of {origin}", (origin.place,), decides=inside)


def _losses(project: Project) -> Iterator[Input]:
    for term in project.params.train.loss:
        yield from plugin_input(project, f"train.loss: {term.name}", term)


def _accelerate(project: Project) -> Iterator[Input]:
    """The file that training runs under, unless it is the user's own default, outside of any project.

    It says who works, and for that no stage runs again; but with ``mixed_precision: auto`` it says the precision too.
    """
    wanted = project.params.compute.accelerate_config
    if wanted is not None and wanted != "default":
        yield Input("compute.accelerate_config", (project.layout.root / wanted,), decides=False)


def _benchmarks(project: Project) -> Iterator[Input]:
    for one in project.params.evaluate.benchmarks:
        yield Input(f"evaluate.benchmarks: {one.name}", (project.layout.root / one.path,))
        yield from plugin_input(project, f"evaluate.benchmarks: {one.name}", one)


def _peers(project: Project) -> Iterator[Input]:
    for peer in project.params.evaluate.peers:
        key = f"evaluate.peers: {peer.name}"
        yield from _model(project, key, peer.model)
        if peer.own == "teacher":
            yield from _teacher(project)
        if peer.own == "untrained":
            yield from _start(project)
        if peer.vectors is not None:
            vectors = project.layout.root / peer.vectors
            texts = () if vectors.suffix == ".parquet" else (vectors.with_suffix(".txt"),)
            yield Input(key, (vectors, *texts))


def _judgements(project: Project) -> Iterator[Input]:
    for file in project.params.report.judgements:
        yield Input("report.judgements", (project.layout.root / file,))
