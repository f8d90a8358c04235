"""The section ``compute`` of params.yaml: who works; no result depends on it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pipeline.config.base import (
    Positive,
    Section,
)


def _head(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or "/" in address or not port.isdigit():
        raise ValueError(f"{address!r} is no head of a Ray cluster; expected host:port, like 10.0.0.1:6379")
    return address


class Compute(Section):
    """Who does the work of prepare, tokenize, teach, embed and mine. No result depends on it, so it reruns no stage.

    Attributes:
        engine: ``local``, this machine; ``ray``, a Ray cluster (needs softalign's extra ``ray``).
        workers: how many processes work at a time; one local worker without ``cpus`` is the stage's own process.
        ray_address: the cluster's head, ``host:port``; null: that of the cluster which this machine belongs to.
        cpus: each worker's threads, and what Ray reserves for it. Null: of local workers, this machine's cores over
            their number; of Ray's, one.
        gpus: each worker's GPUs; 0: local workers share whatever GPU there is, Ray's have none.
        accelerate_config: what train runs under: a file that ``accelerate config`` wrote (of another number of devices the
            student differs by rounding), or ``default`` for Accelerate's own; null: one process.
    """

    engine: Literal["local", "ray"] = "local"
    workers: Positive = 1
    ray_address: Annotated[str, AfterValidator(_head)] | None = None
    cpus: Positive | None = None
    gpus: Annotated[float, Field(ge=0)] = 0.0
    accelerate_config: str | None = None

    @model_validator(mode="after")
    def _whole_gpus(self) -> Self:
        if self.engine == "local" and self.gpus != int(self.gpus):
            raise ValueError(f"gpus is {self.gpus:g}; a part of a GPU is only for engine 'ray'")
        return self
