"""The verdict: what a reader who stops after one paragraph should know, on held-out documents and on benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.reporting.inputs import ReportInputs
from pipeline.reporting.model_tables import points, statistic_name
from pipeline.reporting.models import STUDENT, Lead, ModelScores
from pipeline.reporting.near_copies import most_left_out

NAMED = 4
"""Tasks named in a sentence; of more, how many."""

HEADLINED = 3
"""Benchmarks whose numbers stand at the top."""


@dataclass(frozen=True)
class Headline:
    """A number at the top."""

    name: str  # what the number is
    value: str  # the number as text
    note: str  # what it means


def headlines(inputs: ReportInputs) -> list[Headline]:
    """The numbers at the top; none where nothing was measured."""
    retrieval, mining = inputs.evaluate.get("retrieval", {}), inputs.evaluate.get("mining", {})
    found = _benchmark_headlines(inputs.models)
    if (mean := retrieval.get("mean")) is not None:
        found.append(
            Headline("retrieval accuracy", percent(mean), "held-out sentences whose nearest is their translation")
        )
    if (mean := mining.get("mean_f1")) is not None:
        found.append(Headline("mining F1", percent(mean), "at thresholds tuned on other documents and frozen"))
    if total := _mined_total(inputs):
        found.append(Headline("pairs mined", f"{total[0]:,}", total[1]))
    return found


def _benchmark_headlines(models: ModelScores | None) -> list[Headline]:
    if models is None:
        return []
    found = []
    for name in list(models.benchmarks)[:HEADLINED]:
        main, tasks = models.of(STUDENT, name)["main"], models.of(STUDENT, name)["tasks"]
        values = {model: models.of(model, name).get("mean", {}).get(main) for model in models.names}
        # A peer's mean over fewer tasks says nothing beside the student's.
        others = [
            f"{peer} {percent(values[peer]['value'])}"
            for peer in models.peers
            if values[peer] is not None and models.of(peer, name)["tasks"].keys() == tasks.keys()
        ]
        label = f"{name}, {statistic_name(models.of(STUDENT, name))}"
        found.append(Headline(label, percent(values[STUDENT]["value"]), ", ".join(others)))
    return found


def verdict(inputs: ReportInputs) -> list[str]:
    """The verdict on held-out documents in plain sentences."""
    retrieval, mining = inputs.evaluate.get("retrieval", {}), inputs.evaluate.get("mining", {})
    pairs: Mapping[str, Any] = retrieval.get("pairs", {})
    most = most_left_out(inputs.prepare)
    if not pairs and most:
        return [f"Nothing could be measured: {most}. Text that only repeats itself has nothing new to test on."]
    if not pairs:
        return [
            "Nothing could be measured: no document is held out from training, so there are no translations that the "
            "student has not seen. Set prepare.heldout.share above 0 to know how good it is."
        ]
    candidates = [value["candidates"] for value in pairs.values()]
    sentences = [
        f"For {percent(retrieval['mean'])} of the held-out test sentences the nearest sentence in the other language is the "
        f"translation ({_over(len(pairs))}both directions, among {_span(candidates)} candidates)."
    ]
    if mining.get("pairs"):
        values = mining["pairs"].values()
        precision, recall = (sum(value[name] for value in values) / len(values) for name in ("precision", "recall"))
        sentences.append(
            f"Mining finds {percent(recall)} of the translations hidden among sentences that have none, and "
            f"{percent(precision)} of what it accepts is right: an F1 of {percent(mining['mean_f1'])} at thresholds that "
            "other documents tuned."
        )
    if len(pairs) > 1:
        ordered = sorted(pairs, key=lambda pair: (-pairs[pair]["accuracy"], pair))
        sentences.append(
            f"Best is {_scores(ordered[0], pairs, mining)}; worst is {_scores(ordered[-1], pairs, mining)}."
        )
    if most:
        sentences.append(f"{most[0].upper()}{most[1:]}: of such text the scores say nothing.")
    return sentences


def percent(value: float) -> str:
    r"""A share in per cent.

    >>> percent(0.9518)
    '95.2\xa0%'
    """
    return f"{100 * value:.1f}\u00a0%"


def _mined_total(inputs: ReportInputs) -> tuple[int, str] | None:
    own = [mined for mined in inputs.mined if mined.shown == "mine"]
    if not own:
        return None
    accepted = sum(int(mined.metrics["mined"]["accepted"]) for mined in own)
    return accepted, f"from your own text, {len(own)} language pair{'s' if len(own) > 1 else ''}"


def _over(count: int) -> str:
    return f"mean of {count} language pairs, " if count > 1 else ""


def _span(values: list[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _scores(pair: str, pairs: Mapping[str, Any], mining: Mapping[str, Any]) -> str:
    mined = mining.get("pairs", {}).get(pair)
    f1 = f", F1 {percent(mined['f1'])}" if mined else ""
    return f"{pair} ({percent(pairs[pair]['accuracy'])}{f1})"


def peer_verdict(models: ModelScores | None) -> list[str]:
    """A sentence or two for each benchmark; none without benchmarks."""
    if models is None:
        return []
    return [" ".join([_reached(models, name), *_where(models, name)]) for name in models.benchmarks]


def _reached(models: ModelScores, name: str) -> str:
    about = models.of(STUDENT, name)
    mean, tasks = about["mean"][about["main"]], len(about["tasks"])
    over = f", mean of {tasks} tasks" if tasks > 1 else ""
    said = f"{name} ({statistic_name(about)}{over}): {_share(mean['value'])} for the student{_clean(mean)}"
    groups: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for peer in models.peers:
        leads = models.leads.get(peer, {}).get(name, {})
        if leads:
            shared = len(set(leads) - {"mean"})
            where = "" if shared == tasks else f" on the {shared} of these tasks that it has"
            groups[leads["mean"].sign].append(_against(peer, leads["mean"], where))
    words = {1: "better than", -1: "worse than", 0: "no different, beyond chance, from"}
    parts = [f"{words[sign]} {_listed(groups[sign])}" for sign in (1, -1, 0) if groups[sign]]
    return f"{'; '.join([said, *parts])}."


def _clean(mean: Mapping[str, Any]) -> str:
    """What is left of a score without sentences seen in training, if that is another number."""
    if "clean" not in mean or _share(mean["clean"]) == _share(mean["value"]):
        return ""
    return f" ({_share(mean['clean'])} without sentences seen in training)"


def _against(peer: str, lead: Lead, where: str) -> str:
    return f"{peer}{where} ({points(lead.gain)}, {points(lead.low)} to {points(lead.high)})"


def _where(models: ModelScores, name: str) -> list[str]:
    """Of each peer that is better in some tasks and worse in others, in which."""
    said = []
    for peer in models.peers:
        tasks = {task: lead for task, lead in models.leads.get(peer, {}).get(name, {}).items() if task != "mean"}
        ahead, behind = ([task for task, lead in tasks.items() if lead.sign == sign] for sign in (1, -1))
        if len(tasks) > 1 and len(ahead) < len(tasks) and len(behind) < len(tasks) and ahead + behind:
            parts = [f"{word} {_tasks(found)}" for word, found in (("ahead in", ahead), ("behind in", behind)) if found]
            said.append(f"Against {peer} it is {' and '.join(parts)}.")
    return said


def _tasks(names: list[str]) -> str:
    return _listed(names) if len(names) <= NAMED else f"{len(names)} tasks"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _share(value: float) -> str:
    return f"{100 * value:.1f}"
