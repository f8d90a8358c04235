"""``softalign verify``: look through all that a project keeps, and clear away what is damaged."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import typer

from pipeline.config.params import load_params
from pipeline.console.errors import InputError, UserError
from pipeline.console.plain_text import visible
from pipeline.encoders.resolve import WANTED_FILES
from pipeline.ground.hashing import folder_hash
from pipeline.verifying.artifacts import folder_defects
from pipeline.verifying.chain import folder_entry, made_with, mined_with, same_keys
from pipeline.verifying.defects import Defect
from pipeline.verifying.store import store_defects
from softalign.projects.dvc_record import Record, read_record, record_defects, remove_bad_copy
from stages.running.command import Project
from stages.running.corpus_inputs import corpus_inputs
from stages.running.declared import Undeclared, pipeline_stages, undeclared
from stages.running.layout import Layout
from stages.running.leftovers import LeftOvers
from stages.running.named_inputs import named_inputs


def verify_command(path: Path, repair: bool) -> None:
    """Say what is wrong, a line each; with ``repair``, remove it so that the next run makes it again.

    Args:
        path: a project, or a folder or file in one; its project's store and DVC's record belong to a project only.
        repair: whether to remove what is damaged.

    Raises:
        InputError: if there is no such path.
        SystemExit: with code 1 if anything is wrong (and was not removed).
    """
    if not path.exists():
        raise InputError(path, "no such file or folder")
    if not ((path / "params.yaml").is_file() or (path / "dvc.lock").is_file()):
        _report(path, Findings(list(folder_defects(path)), Record(path, {}, None)), repair)
        return
    opened = _opened(path)
    leftovers = None if opened is None else LeftOvers(opened.params, opened.layout)
    record = read_record(path)
    if leftovers is not None:  # DVC's notes on a pair that is no more stay in dvc.lock
        record = replace(record, md5={p: md5 for p, md5 in record.md5.items() if leftovers.reason(p) is None})
    found = Findings(list(project_defects(Layout(path), record, leftovers)), record)
    if opened is not None and leftovers is not None:
        found.left_over = [Defect(place, f"left over: {why}") for place, why in leftovers.found()]
        found.unknown = list(_unknown_to_dvc(opened))
        found.lasting = opened.params.undeclared_inputs == "error" and any(one.stops for one in found.unknown)
    _report(path, found, repair)


@dataclass
class Findings:
    """What is to be said of a project.

    Attributes:
        defects: what is damaged, missing or out of place; a rerun makes it again.
        record: DVC's notes of the project.
        left_over: artifacts that nothing reads any more.
        unknown: inputs that stages read and DVC doesn't know.
        lasting: whether one of these inputs has to be put right by hand.
    """

    defects: list[Defect]
    record: Record
    left_over: list[Defect] = field(default_factory=list)
    unknown: list[Undeclared] = field(default_factory=list)
    lasting: bool = False


def _report(path: Path, found: Findings, repair: bool) -> None:
    """Print a line for each finding, remove what may be removed if asked, and end with 1 if anything stays wrong."""
    defects, left = _distinct(found.defects), found.left_over
    for line in [*map(str, defects), *(line for one in found.unknown for line in one.lines_shown()), *map(str, left)]:
        typer.echo(visible(line))
    if not (defects or found.unknown or left):
        typer.echo(f"{path}: nothing is damaged, missing or out of place")
    if repair and (defects or left):
        copies = sum([_remove(defect, found.record) for defect in defects])
        _ = [_remove(one, Record(path, {}, None)) for one in left]  # sound copies stay in DVC's cache
        more = f", {copies:,} of them from DVC's cache too" if copies else ""
        also = f" and {len(left):,} left over" if left else ""
        typer.echo(f"{len(defects):,} defects{also}, removed{more}; `dvc repro` makes again what is needed")
    elif defects:
        typer.echo(
            f"{len(defects):,} defects; `softalign verify --repair` removes what is wrong, a rerun makes it again"
        )
    elif left:
        typer.echo(f"{len(left):,} left over, which nothing reads; `softalign verify --repair` removes them")
    if found.lasting or (defects and not repair):
        raise SystemExit(1)


def _opened(root: Path) -> Project | None:
    """The project, if its parameters can be used; it is not verify's to say what is wrong with them."""
    layout = Layout(root)
    try:
        return Project(load_params(layout.params), layout)
    except UserError:
        return None


def _unknown_to_dvc(project: Project) -> Iterator[Undeclared]:
    """What stages read and dvc.yaml doesn't name; where nothing is in the place that params.yaml says, the stage says so."""
    for stage, entry in pipeline_stages(project.layout.root).items():
        with suppress(UserError):
            inputs = corpus_inputs(project) if stage == "prepare" else named_inputs(project, stage)
            yield from undeclared(project, entry, inputs)


def project_defects(layout: Layout, record: Record, leftovers: LeftOvers | None = None) -> Iterator[Defect]:
    """All that is wrong in a project: its artifacts, its store, what DVC noted; not with what is left over."""
    for defect in _all_defects(layout, record, leftovers):
        if leftovers is None or leftovers.reason(defect.path) is None:
            yield defect


def _all_defects(layout: Layout, record: Record, leftovers: LeftOvers | None) -> Iterator[Defect]:
    data = layout.sentences.parent
    for root in (data, layout.student.parent, layout.metrics, layout.plots, layout.report.parent):
        yield from folder_defects(root, frozenset({layout.store, data / "store", layout.lock("").parent}))
    yield from record_defects(record)
    yield from _chain_defects(layout, leftovers)
    yield from store_defects(layout.store)


def _chain_defects(layout: Layout, leftovers: LeftOvers | None) -> Iterator[Defect]:
    def inner(folder: Path) -> list[Path]:
        found = sorted(one for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
        return [one for one in found if leftovers is None or leftovers.reason(one) is None]

    for kind in ("teacher", "student"):
        for tokens in inner(layout.tokens / kind):
            yield from same_keys(layout.sentences / tokens.name, tokens)
    for tokens in inner(layout.tokens / "monolingual"):
        yield from same_keys(layout.monolingual / tokens.name, tokens)
    for vectors in inner(layout.teacher):
        yield from same_keys(layout.tokens / "teacher" / vectors.name, vectors)
    for vectors in inner(layout.embeddings):
        yield from same_keys(layout.tokens / "monolingual" / vectors.name, vectors)
    teacher = next((entry for folder in inner(layout.teacher) if (entry := folder_entry(folder, "encoder"))), None)
    for neighbors in inner(layout.neighborhoods):
        yield from made_with(neighbors, "encoder", teacher, str(layout.teacher))
    sound = layout.student.is_dir() and not list(folder_defects(layout.student))
    student = folder_hash(layout.student, WANTED_FILES) if sound else None
    encoder = None
    for vectors in inner(layout.embeddings):
        encoder = folder_entry(vectors, "encoder")
        if isinstance(encoder, dict) and student is not None and encoder.get("content") != student:
            yield Defect(vectors, f"of another student than {layout.student}")
    opened = _opened(layout.root)
    for pair in [] if opened is None else opened.params.pairs:
        path = layout.mined / f"{pair}.parquet"
        if path.is_file():
            yield from mined_with(path, pair, encoder, str(layout.embeddings))


def _distinct(defects: Iterable[Defect]) -> list[Defect]:
    """One defect a path: what is wrong with a file is seen by more than one check."""
    found: dict[Path, Defect] = {}
    for defect in defects:
        found.setdefault(defect.path, defect)
    return list(found.values())


def _remove(defect: Defect, record: Record) -> int:
    """Remove what is wrong, and DVC's copies of it that are damaged too; returns how many those were."""
    path = defect.path
    files = [inner for inner in path.rglob("*") if inner.is_file()] if path.is_dir() else [path]
    copies = sum(bool(remove_bad_copy(record, file)) for file in files)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return copies
