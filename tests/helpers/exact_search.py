"""Exact search by our kernel, in one line."""

from typing import Any

from pipeline.search.job import SearchJob
from pipeline.search.neighbors import Found, Neighbors, SelfNeighbors
from pipeline.search.samples import sampling
from pipeline.search.search import search, search_itself


def mutual_neighbors(x: Any, y: Any, k: int, memory_bytes: int, device: str | None = None, **given: Any) -> Neighbors:
    """The neighbours of both directions."""
    return search(x, y, SearchJob(k, memory_bytes, backend="exact", device=device, **given)).neighbors


def self_neighbors(x: Any, k: int, memory_bytes: int, device: str | None = None, **given: Any) -> SelfNeighbors:
    """The nearest other rows."""
    return search_itself(x, SearchJob(k, memory_bytes, backend="exact", device=device, **given)).neighbors


def one_way(x: Any, rows: Any, y: Any, k: int, memory_bytes: int, device: str | None = None, **given: Any) -> Found:
    """The neighbours of some rows of x."""
    with sampling(x, y, SearchJob(k, memory_bytes, device=device, **given)) as sampler:
        return sampler(True, rows)
