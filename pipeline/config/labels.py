"""The sections ``labels`` and ``neighborhoods`` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.base import (
    Positive,
    Section,
    Temperature,
)


class Labels(Section):
    """Where label similarities come from.

    Attributes:
        strategy: ``priority`` (the teacher's similarity of the sentences in the pairs' first language) or ``average``
            (of both sides; the teacher must know both languages).
    """

    strategy: Literal["priority", "average"] = "priority"


class Neighborhoods(Section):
    """The nearest label points of every label point, over the whole corpus.

    Attributes:
        k: neighbours of a point, itself not counted.
        temperature: of the softmax (over the point itself and its neighbours) that gives their weights.
        block_bytes: memory for one block of similarities.
        search: ``exact``, ``approximate``, or ``auto``: exact up to 100,000 points.
        index: for approximate search, a FAISS factory string (``IVF4096,PQ64``), or ``auto``: one that is chosen by size
            and by ``index_bytes``; without it, cells of like points are compared, which needs no index.
        index_bytes: an index whose lists are larger is compressed, and past that kept on disk.
        recall: the share of the k nearest points that an approximate search has to find; with 95 % confidence, by cells.
        sample: points that are also searched exactly for that.
        seed: of that sample and of the index.
    """

    k: Positive = 32
    temperature: Temperature = 0.1
    block_bytes: Annotated[int, Field(ge=1 << 20)] = 256 << 20
    search: Literal["auto", "exact", "approximate"] = "auto"
    index: str | None = None
    index_bytes: Annotated[int, Field(ge=1 << 20)] = 4 << 30
    recall: Annotated[float, Field(gt=0, le=1)] = 0.9
    sample: Positive = 2048
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
