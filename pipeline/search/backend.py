"""What a search backend is: it takes two vector sources and a job, and gives the neighbours of both directions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

from pipeline.search.copies import OwnRows
from pipeline.search.job import SearchJob
from pipeline.search.neighbors import Search, SelfNeighbors, SelfSearch
from pipeline.search.vectors import VectorSource


class SearchBackend(ABC):
    """A way to search.

    To add one, write its file in `pipeline.search.backends`; what holds for every backend is tested for it by itself.

    Attributes:
        name: what params.yaml and the command line call it; the file's name.
    """

    name: ClassVar[str]

    @abstractmethod
    def neighbors(self, x: VectorSource, y: VectorSource, job: SearchJob) -> Search:
        """The k nearest neighbours of every row of x in y and of every row of y in x, by cosine.

        The same vectors, job and machine give the same bits, whoever works. Rows that the job's ``copies`` name are never
        neighbours of each other.

        Args:
            x: side a's vectors [n, d], float16 or float32, possibly memory-mapped; both sides have been compared.
            y: side b's vectors [m, d].
            job: k, and what the search may use.

        Returns:
            The neighbours with their exact cosines, best first, ties broken by the lower row; ``about`` has ``search`` (the
            backend's name) and ``exact`` (whether nothing can be missing).

        Raises:
            VectorError: if a vector is zero or not finite.
            OSError: if the result doesn't fit on the disk.
        """

    def self_neighbors(self, x: VectorSource, job: SearchJob) -> SelfSearch:
        """The k nearest other rows of every row of x [n, d], by cosine; job, bits and errors as of `neighbors`."""
        found = self.neighbors(x, x, replace(job, copies=OwnRows()))
        one_way = SelfNeighbors(found.neighbors.forward_similarity, found.neighbors.forward_row)
        return SelfSearch(one_way, found.about, found.tuned[0].recall if found.tuned else 1.0)
