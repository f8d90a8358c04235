"""The head of a model card: what the hub reads of it (YAML), made by the hub's own client."""

from __future__ import annotations

import re

from pipeline.exporting.known import KnownOrigin

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
TAGS = ("sentence-transformers", "feature-extraction", "sentence-similarity", "bitext-mining", "softalign")


def front_matter(known: KnownOrigin | None, licence: str | None, onnx: bool) -> str:
    """The card's YAML, between its lines of dashes.

    Args:
        known: of the model's making; None if nothing is.
        licence: the model's, as the hub writes licences; ``unknown`` without one.
        onnx: whether there are ONNX graphs.
    """
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        language=_languages(known),
        license=(licence or "unknown").lower(),
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=[*TAGS, *(["onnx"] if onnx else [])],
        base_model=base_model(known),
        datasets=_datasets(known) or None,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def base_model(known: KnownOrigin | None) -> str | None:
    """The hub name of the model that the student started from; None if from nothing, or from no model of the hub."""
    if known is None:
        return None
    student = known.params.student
    name = known.params.teacher.model if student.kind == "teacher" else student.model
    return name if name is not None and HUB_NAME.fullmatch(name) else None


def _languages(known: KnownOrigin | None) -> list[str] | None:
    if known is None:
        return None
    # The hub knows languages, not their scripts and regions.
    return list(dict.fromkeys(code.partition("-")[0] for code in known.params.used_languages))


def _datasets(known: KnownOrigin | None) -> list[str]:
    return [
        dataset
        for corpus in (known.params.prepare.corpora if known else [])
        if (dataset := getattr(corpus, "dataset", None))
    ]
