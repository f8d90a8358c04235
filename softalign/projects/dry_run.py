"""``softalign prepare --dry-run N``: what would become of the first N units of each corpus; nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.inspecting.view import Table, View
from pipeline.prepare.notes import refuse_nothing
from pipeline.prepare.prepare import dry_run
from softalign.interface.console import show
from stages.running.command import Project


def dry_run_command(root: Path, limit: int) -> None:
    """Show the account of a project's first units.

    Raises:
        UserError: if none of them would be kept.
    """
    project = Project.open(root)
    metrics = dry_run(project.params, project.layout.root, limit)
    show(account_view(metrics, limit))
    refuse_nothing(metrics, limit)


def account_view(metrics: dict[str, Any], limit: int) -> View:
    """What was read, kept, held out and rejected for which reason, corpus by corpus."""
    rows = []
    for name, corpus in metrics["corpora"].items():
        read = max(corpus["read"], 1)
        outcomes = [("kept", corpus["kept"]), ("held out", corpus["heldout"]), *corpus["rejected"].items()]
        rows.append((name, "read", f"{corpus['read']:,}", ""))
        rows += [("", outcome, f"{count:,}", f"{100 * count / read:.1f} %") for outcome, count in outcomes]
    columns = ("corpus", "outcome", "units", "share")
    notes = (("note", note) for note in metrics["notes"])
    return View(
        "prepare, dry run",
        (("units", f"the first {limit:,} of each corpus"), *notes),
        (Table("account", columns, tuple(rows), numeric=frozenset({"units", "share"})),),
    )
