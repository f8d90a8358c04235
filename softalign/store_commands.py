"""``softalign store``: what the vector store holds, and clearing it."""

from __future__ import annotations

from pathlib import Path

import typer

from pipeline.inspecting.folders import store_table
from pipeline.inspecting.view import View, size_text
from pipeline.store import StoreEntry, list_store, prune_store
from softalign.console import show
from stages.layout import Layout


def list_command(root: Path) -> None:
    """Show what the store holds of each encoder.

    Raises:
        ArtifactError: if a segment is damaged.
    """
    show(_view(Layout(root).store))


def prune_command(root: Path, unused_days: float, yes: bool) -> None:
    """Delete the vectors of encoders that nothing was added to for some days, after asking.

    Raises:
        ArtifactError: if a segment is damaged.
    """
    store = Layout(root).store
    old = [entry for entry in list_store(store) if entry.days_unused >= unused_days]
    if not old:
        typer.echo(f"{store}: nothing was unused for {unused_days:g} days; nothing deleted")
        return
    show(View(str(store), (), (store_table(old, f"unused for {unused_days:g} days"),)))
    if not yes and not typer.confirm(f"Delete {_sum(old)}? They will be embedded again when they are needed"):
        typer.echo("nothing deleted")
        return
    typer.echo(f"deleted {_sum(prune_store(store, unused_days))}")


def _view(store: Path) -> View:
    entries = list_store(store)
    facts = (("holds", _sum(entries) if entries else "nothing yet"),)
    return View(str(store), facts, (store_table(entries),) if entries else ())


def _sum(entries: list[StoreEntry]) -> str:
    vectors = sum(entry.vectors for entry in entries)
    return f"{vectors:,} vectors of {len(entries):,} encoders, {size_text(sum(entry.size for entry in entries))}"
