"""What differs between runs: the parameters that vary, and how they are named and written in a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.config.params import check_params
from pipeline.console.errors import ParamsError
from pipeline.inspecting.view import flatten

Value = str | int | float | bool | None

LABELS = {
    "train.loss": "loss",
    "train.loss.0.name": "loss",
    "train.loss.0.tcm": "λ",
    "train.loss.0.margin": "margin",
    "train.temperature.teacher": "τ teacher",
    "train.temperature.student": "τ student",
    "neighborhoods.k": "k",
    "neighborhoods.temperature": "τ neighbourhoods",
    "labels.strategy": "labels",
    "train.batches": "batches",
    "train.neighbors_per_pair": "neighbours a pair",
}
"""What a paper calls a parameter; others go by their own name."""


def setting_label(key: str) -> str:
    """A parameter's name in a table.

    >>> setting_label("train.temperature.student"), setting_label("train.steps")
    ('τ student', 'train.steps')
    """
    return LABELS.get(key, key)


def setting_text(value: Value) -> str:
    """A value in a table.

    >>> setting_text(None), setting_text(0.05), setting_text("hard"), setting_text(True)
    ('–', '0.05', 'hard', 'yes')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def with_defaults(params: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each run's parameters with their defaults: not to name a key is the same as to name its default.

    Where any can't be read by this version, all stay as they were written: some with defaults and some without would
    seem to differ everywhere.
    """
    try:
        return [check_params(raw).model_dump(mode="json", exclude={"report", "softalign", "compute"}) for raw in params]
    except ParamsError:
        return list(params)


def flat_settings(params: Sequence[Mapping[str, Any]]) -> list[dict[str, Value]]:
    """Each run's parameters as dotted keys and plain values.

    A list of sections (the terms of the loss) that has the same length and names everywhere is taken apart
    (``train.loss.0.tcm``); else it is one value, a text.

    >>> flat_settings([{"train": {"loss": [{"name": "soft", "tcm": 1.0}]}}, {"train": {"loss": [{"name": "hard"}]}}])
    [{'train.loss': 'soft (λ 1)'}, {'train.loss': 'hard'}]
    """
    runs = [dict(flatten(run)) for run in params]
    # What is taken apart: lists of sections in all runs, of the same names.
    sections = [key for key in _keys(runs) if all(_is_sections(run.get(key)) for run in runs)]
    apart = {key for key in sections if len({tuple(one.get("name") for one in run[key]) for run in runs}) == 1}
    settings: list[dict[str, Value]] = []
    for run in runs:
        plain: dict[str, Value] = {}
        for key, value in run.items():
            if key in apart:
                for number, item in enumerate(value):
                    plain |= {f"{key}.{number}.{name}": _plain(inner) for name, inner in flatten(item)}
            else:
                plain[key] = _plain(value)
        settings.append(plain)
    return settings


def varying(settings: Sequence[Mapping[str, Value]], left_out: Iterable[str] = ()) -> list[str]:
    """The keys whose values are not the same in all runs, in the runs' own order; one that is absent counts as None."""
    skipped = set(left_out)
    return [
        key
        for key in _keys(settings)
        if key not in skipped and any(run.get(key) != settings[0].get(key) for run in settings)
    ]


def order_key(values: Iterable[Value]) -> tuple[tuple[int, float, str], ...]:
    """Sorts settings whatever their types: none, then numbers, then text."""
    return tuple(
        (0, 0.0, "") if value is None else (2, 0.0, value) if isinstance(value, str) else (1, float(value), "")
        for value in values
    )


def _keys(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for run in runs for key in run))


def _is_sections(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _plain(value: Any) -> Value:
    if _is_sections(value):
        return " + ".join(_section(item) for item in value)
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return value if isinstance(value, str | int | float) or value is None else str(value)


def _section(section: Mapping[str, Any]) -> str:
    """A section of a list in words, without what is as it is when nothing is said (none, off, zero, a weight of one)."""
    said = [
        f"{'λ' if key == 'tcm' else key} {setting_text(_plain(value))}"
        for key, value in section.items()
        if key != "name" and value not in (None, False, 0, "", [], {}) and (key, value) != ("weight", 1)
    ]
    name = str(section.get("name", "")).strip()
    return f"{name} ({', '.join(said)})" if said else name
