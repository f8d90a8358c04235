"""``softalign inspect``: what is in an artifact."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from pipeline.config.params import load_params
from pipeline.console.errors import UserError
from pipeline.encoders.resolve import resolve_model
from pipeline.inspecting.inspect import inspect
from pipeline.inspecting.surroundings import Surroundings
from pipeline.inspecting.view import ViewRequest
from softalign.interface.console import show
from stages.running.layout import Layout
from stages.running.leftovers import LeftOvers, in_words


def inspect_command(path: Path, rows: int, query: str | None) -> None:
    """Show an artifact.

    Raises:
        UserError: if it is none, or damaged.
    """
    view = inspect(path, surroundings(path), ViewRequest(rows=rows, query=query))
    words = _left_over(Path(os.path.abspath(path)))  # noqa: PTH100  (as below)
    show(replace(view, facts=(*view.facts, ("left over", words))) if words else view)


def _left_over(path: Path) -> str:
    """What of an artifact, or of the folder that it is, belongs to nothing that params.yaml names; empty if nothing."""
    for root in (path, *path.parents):
        layout = Layout(root)
        if not layout.params.is_file():
            continue
        try:
            leftovers = LeftOvers(load_params(layout.params), layout)
        except UserError:
            return ""
        if (reason := leftovers.reason(path)) is not None:
            return f"{reason}; `softalign verify --repair` removes it"
        return in_words([one for one in leftovers.found() if one[0].is_relative_to(path)], root)
    return ""


def surroundings(path: Path) -> Surroundings:
    """The sentences, pairs and tokenizers of the project that an artifact lies in; nothing where it lies in none."""
    # The path as written: a cache may have put a link in an artifact's place, and the project is where the link is.
    path = Path(os.path.abspath(path))  # noqa: PTH100  (resolve() would follow links)
    for root in (path, *path.parents):
        layout = Layout(root)
        if layout.sentences.is_dir() or layout.monolingual.is_dir():
            student = layout.tokenizer / "tokenizer.json"
            tokenizers = {"student": student, "monolingual": student}
            if (
                layout.tokens / "teacher" in (path, *path.parents)
                and (teacher := _teacher_tokenizer(layout)) is not None
            ):
                tokenizers["teacher"] = teacher
            return Surroundings((layout.sentences, layout.monolingual), layout.pairs, tokenizers)
    return Surroundings()


def _teacher_tokenizer(layout: Layout) -> Path | None:
    """The teacher's tokenizer, if it is on this machine: looking must not download anything."""
    try:
        teacher = load_params(layout.params).teacher
        if not teacher.model.startswith("package:") and not (layout.root / teacher.model).is_dir():
            return None
        found = resolve_model("teacher.model", teacher.model, teacher.revision, layout.root, store=layout.store)
        return found.path / "tokenizer.json"
    except UserError:
        return None
