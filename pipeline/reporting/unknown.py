"""Languages that a tokenizer turns into unknown tokens: their scores say little, and the report says so."""

from __future__ import annotations

from pipeline.reporting.inputs import ReportInputs
from pipeline.reporting.verdict import percent

MANY_UNKNOWN = 0.1
"""As stage evaluate warns; its own constant would import torch."""


def unknown_languages(inputs: ReportInputs) -> list[str]:
    """A sentence for each tokenizer and language of whose tokens a tenth or more are unknown; none where all is well."""
    worst: dict[tuple[str, str], tuple[float, str]] = {}
    for kind, model in (("student", "student"), ("monolingual", "student"), ("teacher", "teacher")):
        for language, counts in inputs.tokenize.get(kind, {}).items():
            where = "the text to be mined" if kind == "monolingual" else "the training text"
            _note(worst, model, language, counts.get("unknown_share", 0.0), where)
    if inputs.models is not None:
        for model in inputs.models.names:
            for name in inputs.models.benchmarks:
                for language, share in inputs.models.of(model, name).get("unknown_tokens", {}).items():
                    _note(worst, model, language, share, name)
    groups: dict[tuple[str, str, float], list[str]] = {}
    for (model, language), (share, where) in worst.items():
        if share >= MANY_UNKNOWN:
            groups.setdefault((language, where, share), []).append(
                model
            )  # the student's is also its own before training
    return [
        f"The tokenizer of {' and of '.join(models)} does not know {percent(share)} of the tokens in {language} ({where}): "
        "scores there say little."
        for (language, where, share), models in sorted(groups.items())
    ]


def _note(worst: dict[tuple[str, str], tuple[float, str]], model: str, language: str, share: float, where: str) -> None:
    if share > worst.get((model, language), (0.0, ""))[0]:
        worst[model, language] = share, where
