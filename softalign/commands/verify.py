"""``softalign verify``: look through all that a project keeps, and clear away what is damaged."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
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
from stages.running.layout import Layout


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
    project = (path / "params.yaml").is_file() or (path / "dvc.lock").is_file()
    record = read_record(path) if project else Record(path, {}, None)
    found = _distinct(project_defects(Layout(path), record) if project else folder_defects(path))
    for defect in found:
        typer.echo(visible(str(defect)))
    if not found:
        typer.echo(f"{path}: nothing is damaged, missing or out of place")
        return
    if not repair:
        typer.echo(f"{len(found):,} defects; `softalign verify --repair` removes what is wrong, a rerun makes it again")
        raise SystemExit(1)
    copies = sum([_remove(defect, record) for defect in found])
    more = f", {copies:,} of them from DVC's cache too" if copies else ""
    typer.echo(f"{len(found):,} defects, removed{more}; `dvc repro` makes again what is needed")


def project_defects(layout: Layout, record: Record) -> Iterator[Defect]:
    """All that is wrong in a project: its artifacts, its store, what DVC noted."""
    data = layout.sentences.parent
    for root in (data, layout.student.parent, layout.metrics, layout.plots, layout.report.parent):
        yield from folder_defects(root, frozenset({layout.store, data / "store", layout.lock("").parent}))
    yield from record_defects(record)
    yield from _chain_defects(layout)
    yield from store_defects(layout.store)


def _chain_defects(layout: Layout) -> Iterator[Defect]:
    for kind in ("teacher", "student"):
        for tokens in _inner(layout.tokens / kind):
            yield from same_keys(layout.sentences / tokens.name, tokens)
    for tokens in _inner(layout.tokens / "monolingual"):
        yield from same_keys(layout.monolingual / tokens.name, tokens)
    for vectors in _inner(layout.teacher):
        yield from same_keys(layout.tokens / "teacher" / vectors.name, vectors)
    for vectors in _inner(layout.embeddings):
        yield from same_keys(layout.tokens / "monolingual" / vectors.name, vectors)
    teacher = next((entry for folder in _inner(layout.teacher) if (entry := folder_entry(folder, "encoder"))), None)
    for neighbors in _inner(layout.neighborhoods):
        yield from made_with(neighbors, "encoder", teacher, str(layout.teacher))
    sound = layout.student.is_dir() and not list(folder_defects(layout.student))
    student = folder_hash(layout.student, WANTED_FILES) if sound else None
    encoder = None
    for vectors in _inner(layout.embeddings):
        encoder = folder_entry(vectors, "encoder")
        if isinstance(encoder, dict) and student is not None and encoder.get("content") != student:
            yield Defect(vectors, f"of another student than {layout.student}")
    for pair in _pairs(layout):
        path = layout.mined / f"{pair}.parquet"
        if path.is_file():
            yield from mined_with(path, pair, encoder, str(layout.embeddings))


def _pairs(layout: Layout) -> list[str]:
    try:
        return [pair.name for pair in load_params(layout.params).language_pairs]
    except UserError:  # it is not verify's to say what is wrong with them
        return []


def _inner(folder: Path) -> list[Path]:
    return sorted(inner for inner in folder.iterdir() if inner.is_dir()) if folder.is_dir() else []


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
