"""The verdict on benchmarks in sentences: better than what, by how much, and where not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.reporting.model_tables import points, statistic_name
from pipeline.reporting.models import STUDENT, Lead, ModelScores

NAMED = 4
"""Tasks named in a sentence; of more, how many."""


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
