"""The sections ``labels`` and ``neighborhoods`` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.config.base import (
    Positive,
    Section,
    Temperature,
)
from pipeline.config.search import SearchName, check_index


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
        temperature: τ of the softmax (over the point itself and its neighbours) that gives their weights.
        block_bytes: memory for one block of similarities.
        search: the search backend; see ``mine.search``.
        index: FAISS' index; see ``mine.index``.
        index_bytes: memory for an index' lists; larger ones are compressed, and past that kept on disk.
        recall: the share of the k nearest points that an approximate search has to find, with 95 % confidence.
        sample: points that are also searched exactly for that.
        seed: the seed of that sample and of the index.
    """

    k: Positive = 32
    temperature: Temperature = 0.1
    block_bytes: Annotated[int, Field(ge=1 << 20)] = 256 << 20
    search: SearchName = "auto"
    index: str | None = None
    index_bytes: Annotated[int, Field(ge=1 << 20)] = 4 << 30
    recall: Annotated[float, Field(gt=0, le=1)] = 0.9
    sample: Positive = 2048
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    @model_validator(mode="after")
    def _index_is_of_its_search(self) -> Self:
        check_index(self.search, self.index)
        return self
