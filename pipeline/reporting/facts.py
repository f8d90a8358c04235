"""The tables of the report that are words and numbers: scores, the account of the text, what made it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pipeline
from pipeline.reporting.inputs import MinedPair, ReportInputs
from pipeline.reporting.verdict import percent

SMALLEST = 0.0005
"""A smaller share would be shown as 0.0 %."""


def score_rows(inputs: ReportInputs) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]]:
    """By language pair, in the project's order: scores of retrieval, of mining, and of mining on the dev set."""
    retrieval, mining = (inputs.evaluate.get(kind, {}).get("pairs", {}) for kind in ("retrieval", "mining"))
    dev = {found.pair: found.metrics.get("dev", {}) for found in inputs.mined}
    names = [pair.name for pair in inputs.pairs if pair.name in retrieval or pair.name in mining]
    return [(name, retrieval.get(name, {}), mining.get(name, {}), dev.get(name, {})) for name in names]


@dataclass(frozen=True)
class CorpusRow:
    """A row of the account."""

    name: str  # the corpus' name in params.yaml
    counts: tuple[str, str, str, str]  # units read, kept, held out, rejected
    kept_share: str  # kept and held out, of what was read


def corpus_rows(inputs: ReportInputs) -> list[CorpusRow]:
    """The account of what was read, by corpus."""
    rows = []
    for name, counts in inputs.prepare.get("corpora", {}).items():
        rejected = sum(counts["rejected"].values())
        numbers = (counts["read"], counts["kept"], counts["heldout"], rejected)
        kept = (counts["kept"] + counts["heldout"]) / max(counts["read"], 1)
        read, taken, held, left = (f"{number:,}" for number in numbers)
        rows.append(CorpusRow(name, (read, taken, held, left), percent(kept)))
    return rows


def text_notes(inputs: ReportInputs) -> list[str]:
    """What prepare says of corpora and language pairs of which nothing, or little, was left, and training of dev sets."""
    return [*inputs.prepare.get("notes", ()), *inputs.train.get("notes", ())]


def rejection_rows(inputs: ReportInputs) -> list[tuple[str, str, str, float]]:
    """Reasons, how many units each rejected, the share of all that was read, and its length beside the longest (0-1)."""
    corpora = inputs.prepare.get("corpora", {}).values()
    reasons: Counter[str] = Counter()
    for counts in corpora:
        reasons.update(counts["rejected"])
    read = max(sum(counts["read"] for counts in corpora), 1)
    most = max(reasons.values(), default=1)
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return [(reason, f"{count:,}", _small_percent(count / read), count / most) for reason, count in ordered]


def heldout_seen(inputs: ReportInputs) -> str:
    """How many held-out pairs were left out because a side stands in the training text; empty if none."""
    count = sum(corpus["rejected"].get("heldout-seen", 0) for corpus in inputs.prepare.get("corpora", {}).values())
    return f"{count:,}" if count else ""


def text_rows(inputs: ReportInputs) -> list[tuple[str, str, str, str]]:
    """By language pair: training pairs, held-out dev pairs, held-out test pairs."""
    heldout = inputs.prepare.get("heldout", {})
    parts = (inputs.prepare.get("pairs", {}), heldout.get("dev", {}), heldout.get("test", {}))
    rows = []
    for pair in inputs.pairs:
        training, dev, test = (f"{counts.get(pair.name, 0):,}" for counts in parts)
        rows.append((pair.name, training, dev, test))
    return rows


def sentence_rows(inputs: ReportInputs) -> list[tuple[str, str, str]]:
    """By language: unique training sentences, and sentences embedded for evaluation and mining."""
    sentences, monolingual = inputs.prepare.get("sentences", {}), inputs.prepare.get("monolingual", {})
    languages = dict.fromkeys([*sentences, *monolingual])
    return [(name, f"{sentences.get(name, 0):,}", f"{monolingual.get(name, 0):,}") for name in languages]


def maker_groups(inputs: ReportInputs) -> list[tuple[str, list[tuple[str, str]]]]:
    """What made the results: versions, models and the parameters that matter, in groups."""
    params, encoder = inputs.params, _encoder(inputs.mined)
    versions = [("softalign", pipeline.__version__)]
    versions += [(name, str(encoder[name])) for name in ("torch", "transformers") if encoder.get(name)]
    groups = [
        ("versions", versions),
        ("teacher", _listed(params.get("teacher", {}))),
        ("student", _listed(params.get("student", {}))),
        ("the trained encoder", _listed({key: value for key, value in encoder.items() if key not in dict(versions)})),
        ("labels and neighbourhoods", _listed({**params.get("labels", {}), **params.get("neighborhoods", {})})),
        ("training", [*_listed(params.get("train", {})), ("seed", str(params["seed"]))]),
        ("mining", _listed(params.get("mine", {}))),
        ("evaluation", _listed(params.get("evaluate", {}))),
        *((f"corpus {corpus['name']}", _listed(corpus)) for corpus in params.get("corpora", [])),
    ]
    return [(name, rows) for name, rows in groups if rows]


def _encoder(mined: Any) -> Mapping[str, Any]:
    found: list[MinedPair] = list(mined)
    return found[0].made_by.get("encoder", {}) if found else {}


def _listed(section: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in section.items():
        if isinstance(value, Mapping):
            rows += _listed(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            for number, item in enumerate(value, start=1):
                rows += _listed(item, f"{prefix}{key}.{number}." if len(value) > 1 else f"{prefix}{key}.")
        elif value not in (None, "", [], {}):
            rows.append((f"{prefix}{key}", _text(value)))
    return rows


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _small_percent(share: float) -> str:
    return percent(share) if share >= SMALLEST else f"<\u00a0{percent(SMALLEST * 2)}"
