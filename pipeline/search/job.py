"""What a search is asked for, and what it may use: the one argument that goes with two sides of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.compute.work import Engine
from pipeline.console.progress import Advance
from pipeline.search.copies import CopiedTexts
from pipeline.search.scratch import ScratchArrays


@dataclass(frozen=True)
class SearchWorkers:
    """The workers that search, where it is not this process alone.

    Attributes:
        engine: who searches.
        shared: folders that all workers must see.
    """

    engine: Engine
    shared: Sequence[Path] = ()


@dataclass(frozen=True)
class SearchJob:
    """A search.

    Attributes:
        k: neighbours of a row, at least 1.
        memory_bytes: memory for what is held besides the result, in each worker.
        backend: the backend's name, or ``auto`` (`pipeline.search.search`).
        index: a FAISS factory string, or ``auto``: chosen by size; None: the backend's own choice.
        index_bytes: memory for an index' lists; larger ones are compressed, and past that kept on disk.
        indexes: the folder in which indexes are kept to be used again; None: they are built anew and thrown away.
        recall: the share of the k nearest neighbours that an approximate search has to find.
        sample: rows of each side that are also searched exactly, to know that share.
        seed: the seed of samples and of k-means.
        copies: rows with the same text, which are never neighbours.
        workers: the workers that search; None: this process alone.
        scratch: where arrays lie that grow with the rows.
        advance: called with rows of side a that are done; they add up to all of them.
        device: a torch device for exact search; None: CUDA where there is one.
    """

    k: int
    memory_bytes: int = 512 << 20
    backend: str = "auto"
    index: str | None = None
    index_bytes: int = 4 << 30
    indexes: Path | None = None
    recall: float = 0.99
    sample: int = 512
    seed: int = 0
    copies: CopiedTexts | None = None
    workers: SearchWorkers | None = None
    scratch: ScratchArrays = field(default_factory=ScratchArrays)
    advance: Advance | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k is {self.k}; expected at least 1")

    def done(self, rows: int) -> None:
        """Count rows of side a that are done."""
        if self.advance is not None and rows:
            self.advance(rows)

    def plain(self) -> SearchJob:
        """The same as plain data, for a worker: without the workers, the progress and the arrays of this process."""
        return replace(self, workers=None, scratch=ScratchArrays(), advance=None)
