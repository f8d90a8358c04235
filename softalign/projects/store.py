"""``softalign store``: what the vector store holds, and clearing it."""

from __future__ import annotations

from pathlib import Path

import typer

from pipeline.encoders.kept_models import KeptModel, list_models, prune_models
from pipeline.inspecting.folders import index_table, model_table, store_table
from pipeline.inspecting.view import Table, View, size_text
from pipeline.search.kept_indexes import KeptIndex, list_indexes, prune_indexes
from pipeline.store.local import StoreEntry, list_store, prune_store
from softalign.interface.console import show
from stages.running.layout import Layout


def list_command(root: Path) -> None:
    """Show what the store holds of each encoder, and which mining indexes and converted models."""
    show(_view(Layout(root).store))


def prune_command(root: Path, unused_days: float, yes: bool) -> None:
    """Delete what nothing used for some days, after asking: vectors of encoders, mining indexes, converted models."""
    store = Layout(root).store
    old = [entry for entry in list_store(store) if entry.days_unused >= unused_days]
    for entry in old:
        if entry.used_by:
            typer.echo(f"{entry.folder}: in use by {', '.join(entry.used_by)}; kept")
    old = [entry for entry in old if not entry.used_by]
    indexes = [kept for kept in list_indexes(store) if kept.days_unused >= unused_days]
    models = [kept for kept in list_models(store) if kept.days_unused >= unused_days]
    if not old and not indexes and not models:
        typer.echo(f"{store}: nothing was unused for {unused_days:g} days; nothing deleted")
        return
    show(View(f"{store}, unused for {unused_days:g} days", (), _tables(old, indexes, models)))
    question = f"Delete {_sum(old, indexes, models)}? They will be made again when they are needed"
    if not yes and not typer.confirm(question):
        typer.echo("nothing deleted")
        return
    deleted = prune_store(store, unused_days), prune_indexes(store, unused_days), prune_models(store, unused_days)
    typer.echo(f"deleted {_sum(*deleted)}")


def _view(store: Path) -> View:
    held = list_store(store), list_indexes(store), list_models(store)
    facts = (("holds", _sum(*held) if any(held) else "nothing yet"),)
    return View(str(store), facts, _tables(*held))


def _tables(entries: list[StoreEntry], indexes: list[KeptIndex], models: list[KeptModel]) -> tuple[Table, ...]:
    return (
        *([store_table(entries)] if entries else []),
        *([index_table(indexes)] if indexes else []),
        *([model_table(models)] if models else []),
    )


def _sum(entries: list[StoreEntry], indexes: list[KeptIndex], models: list[KeptModel]) -> str:
    vectors = sum(entry.vectors for entry in entries)
    held = [f"{vectors:,} vectors of {len(entries):,} encoders"] if entries else []
    held += [f"{len(indexes):,} mining indexes"] if indexes else []
    held += [f"{len(models):,} converted models"] if models else []
    sizes = [*(entry.size for entry in entries), *(kept.size for kept in indexes), *(kept.size for kept in models)]
    return ", ".join([*held, size_text(sum(sizes))])
