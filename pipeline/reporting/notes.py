"""What the report says beside its numbers: of mining (rules, false pairs, what approximation cost), and unknown tokens."""

from __future__ import annotations

from pipeline.mining.judging.threshold import explain_infinite
from pipeline.reporting.inputs import MinedPair, ReportInputs
from pipeline.reporting.verdict import percent

MANY_UNKNOWN = 0.1
"""As stage evaluate warns; its own constant would import torch."""

CONTROLS = {
    "documents": "sentences mined against other documents, where no translation is",
    "partners": "accepted sentences mined again without the sentences that they were paired with",
}


def mining_notes(found: MinedPair) -> list[str]:
    """Sentences for the report; none of what wasn't measured."""
    infinite = explain_infinite(found.threshold, found.metrics.get("dev", {}).get("gold", 0))
    said = f"{infinite[0].upper()}{infinite[1:]}" if infinite else ""
    return [note for note in (said, _left_out(found), _control(found), _approximation(found)) if note]


def _left_out(found: MinedPair) -> str:
    counts = dict(found.metrics.get("left_out") or {})
    copies = [counts.pop(name, 0) for name in ("copies_a", "copies_b")]
    parts = []
    if any(copies):
        parts.append(
            f"{copies[0]:,} sentences of the first side and {copies[1]:,} of the second have the same text on the other "
            "side; they were not paired with each other."
        )
    if counts:
        named = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
        parts.append(f"Best candidates that broke a rule, so that the next best was taken: {named}.")
    return " ".join(parts)


def _control(found: MinedPair) -> str:
    control = found.metrics.get("control")
    if not control:
        return ""
    how = CONTROLS.get(control["kind"], control["kind"])
    limits = [
        f"{percent(rate)} at {control[name]:.4f}"
        for rate in (0.01, 0.001)
        if control.get(name := f"threshold_at_{rate:g}") is not None
    ]
    fewer = f" False pairs would fall to {', to '.join(limits)}." if limits else ""
    if "false_rate" not in control:
        return f"Control: {control['searched']:,} {how}.{fewer}"
    return (
        f"Control: of {control['searched']:,} {how}, {control['accepted']:,} ({percent(control['false_rate'])}) get a pair "
        f"at the threshold, which is false.{fewer}"
    )


def _approximation(found: MinedPair) -> str:
    cost = found.metrics.get("approximation", {}).get("lost")
    if not cost:
        return ""
    parts = [f"{percent(cost['recall_forward'])} of the neighbours were found"]
    if cost["recall_pairs"] is not None:
        parts.append(f"{percent(cost['recall_pairs'])} of the pairs")
    if cost["recall_accepted"] is not None and cost["threshold"] is not None:
        parts.append(f"{percent(cost['recall_accepted'])} of those above the threshold")
    shift = f"; scores are {cost['margin_shift']:+.4f} off on average" if cost["margin_shift"] is not None else ""
    return f"The search was approximate. On a sample that was also searched exactly, {', '.join(parts)}{shift}."


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
            # The student's tokenizer is also its own before training: one sentence names both.
            groups.setdefault((language, where, share), []).append(model)
    return [
        f"The tokenizer of {' and of '.join(models)} does not know {percent(share)} of the tokens in {language} ({where}): "
        "scores there say little."
        for (language, where, share), models in sorted(groups.items())
    ]


def _note(worst: dict[tuple[str, str], tuple[float, str]], model: str, language: str, share: float, where: str) -> None:
    if share > worst.get((model, language), (0.0, ""))[0]:
        worst[model, language] = share, where
