"""The sections ``embed`` and ``mine`` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.config.base import (
    Positive,
    Section,
)
from pipeline.config.search import SearchName, check_index


class Embed(Section):
    """How the student embeds text to be mined (stage embed)."""

    batch_tokens: Annotated[int, Field(ge=16)] = 4096


Kept = Literal["copy", "length-ratio", "urls", "numbers", "letters", "script", "too-short", "too-long", "missing-side"]
"""Cleaning rules that mined text may be spared."""


class Mine(Section):
    """How translation pairs are found (stage mine).

    Attributes:
        k: neighbours that a margin looks at.
        score: ``ratio`` or ``distance`` (Artetxe & Schwenk 2019), or the plain ``cosine``.
        retrieval: whose best candidates are proposed.
        threshold: a fixed threshold instead of one tuned on the dev set.
        memory_bytes: for one tile of similarities and its candidates; neighbours and candidates of all rows that don't fit
            into as much go to files.
        search: the search backend: ``faiss``, ``exact`` (our own kernel) or an installed package's; ``auto`` chooses by size
            and machine (docs/mining.md has the table). ``approximate`` is an earlier name of ``faiss``.
        index: FAISS' index: a factory string (``Flat``, ``IVF4096,PQ64``), or ``auto``: one that is chosen by size and by
            ``index_bytes``.
        index_bytes: memory for an index' lists; larger ones are compressed, and past that kept on disk.
        recall: the share of the k nearest neighbours that an approximate search has to find, on a sample, with 95 %
            confidence.
        sample: rows of each side that are also searched exactly, to tune an index and to report its cost.
        within: ``document`` pairs only sentences whose documents have the same name, ``window`` those whose documents are
            days (2024-05-23) at most ``window`` apart; what has no document is not mined then.
        window: days, for ``within: window``.
        control: sentences of each side, about, that the shuffled control mines to show the rate of false pairs.
        keep: rules of ``prepare.clean`` that mined pairs may break; they pass all others, as training text does. ``copy``:
            sentences with the same text on both sides may be paired.
    """

    k: Positive = 4
    score: Literal["ratio", "distance", "cosine"] = "ratio"
    retrieval: Literal["union", "intersection", "forward", "backward"] = "union"
    threshold: float | None = None
    memory_bytes: Annotated[int, Field(ge=1 << 20)] = 512 << 20
    search: SearchName = "auto"
    index: str | None = None
    index_bytes: Annotated[int, Field(ge=1 << 20)] = 4 << 30
    recall: Annotated[float, Field(gt=0, le=1)] = 0.99
    sample: Positive = 512
    within: Literal["corpus", "document", "window"] = "corpus"
    window: Annotated[int, Field(ge=0)] = 0
    control: Positive = 20_000
    keep: list[Kept] = []

    @model_validator(mode="after")
    def _index_is_of_its_search(self) -> Self:
        check_index(self.search, self.index)
        return self
