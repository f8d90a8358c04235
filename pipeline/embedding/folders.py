"""Folders of shards, worked through by a crew: a shard of one folder becomes the shard of the same range in another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Generic, TypeVar

from pipeline.artifacts.shards import Shard, iterate_shards, shard_path
from pipeline.compute.work import Crew
from pipeline.console.progress import progress
from pipeline.ground.atomic import atomic_folder


@dataclass
class ShardCounts:
    """What was counted of some shards; a subclass has the counts."""

    def add(self, other: ShardCounts) -> None:
        """Count other shards as well."""
        for count in fields(self):
            setattr(self, count.name, getattr(self, count.name) + getattr(other, count.name))


@dataclass(frozen=True)
class ShardFolder:
    """A folder of shards to work through; a subclass has what its work needs besides."""

    source: Path  # the folder that is read
    out: Path  # the folder that is written; replaced as a whole


Folder = TypeVar("Folder", bound=ShardFolder)
Counts = TypeVar("Counts", bound=ShardCounts)


@dataclass(frozen=True)
class FolderShard(Generic[Folder]):
    """One shard's work: plain data."""

    source: Path  # the shard that is read
    out: Path  # the shard that is written
    of: int  # how many shards the folder has
    folder: Folder  # the folder that the shard belongs to


def work_through(
    crew: Crew[FolderShard[Folder], Counts],
    folders: Sequence[Folder],
    counts: type[Counts],
    size: Callable[[Shard], int],
    label: str,
    unit: str,
) -> list[Counts]:
    """Do the work of every shard of some folders, and count by folder; holds nothing but counts.

    The folders are replaced together, when all are done.

    Args:
        crew: who does the work.
        folders: what is read, and what is written.
        counts: the kind of counts, which begins at zero.
        size: a shard's size in units, for progress.
        label: what progress calls the work.
        unit: what progress calls the units.
    """
    totals = [counts() for _ in folders]
    items: list[FolderShard[Folder]] = []
    owners: list[Counts] = []
    units = 0
    with ExitStack() as stack:
        for folder, total in zip(folders, totals, strict=True):
            made = stack.enter_context(atomic_folder(folder.out))
            shards = list(iterate_shards(folder.source, check=False))  # their workers check the bytes
            units += sum(map(size, shards))
            for index, shard in enumerate(shards):
                items.append(FolderShard(shard.path, shard_path(made, index), len(shards), folder))
                owners.append(total)
        advance = stack.enter_context(progress(label, units, unit))
        for owner, done in zip(owners, crew.map(items, advance), strict=True):
            owner.add(done)
    return totals
